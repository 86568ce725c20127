#include "kind_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/image.h"
#include "kinds/fd_kind.h"

void world_init(struct world *w)
{
	*w = (struct world){0};
	w->image = memfd_create("image", MFD_CLOEXEC);
	w->s.root_fd = open("/", O_PATH | O_CLOEXEC);
	w->r.root_fd = open("/", O_PATH | O_CLOEXEC);
}

uint32_t world_add(struct world *w, int fd)
{
	struct saved_file *f = vec_push(&w->s.files);
	char path[64];

	f->id = (uint32_t)w->s.files.n;
	f->holder = vpid_of(getpid());
	f->holder_host = hpid_of(getpid());
	f->fd = fd;
	f->local = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	fstat(f->local, &f->st);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, f->link, sizeof f->link - 1);
	f->link[n > 0 ? n : 0] = 0;
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	fd_slurp_at(AT_FDCWD, path, &f->info, NULL);
	f->flags = (uint32_t)fcntl(fd, F_GETFL) & ~(uint32_t)O_LARGEFILE;
	return f->id;
}

static int keep_frames(struct world *w)
{
	struct image_reader *in;
	struct image_frame frame;
	int k;

	lseek(w->image, 0, SEEK_SET);
	k = image_reader_new(&in, w->image, &w->err);
	if (k < 0)
		return k;
	while ((k = image_next(in, &frame, &w->err)) > 0)
		restore_keep_frame(&w->r, frame.type, frame.body, frame.len);
	image_reader_free(in);
	return k;
}

int world_save(struct world *w)
{
	int k = image_writer_new(&w->s.out, w->image, IMAGE_NONE, &w->err);

	if (k < 0)
		return k;
	for (size_t i = 0; i < w->s.files.n && k >= 0; i++) {
		struct saved_file *f = &w->s.files.at[i];
		const struct fd_kind *kind = fd_kind_of(&w->s, f);
		OpenFile *o = vec_push(&w->files);

		*o = (OpenFile)OPEN_FILE__INIT;
		o->id = f->id;
		o->kind = kind->id;
		o->flags = f->flags;
		o->pos = f->pos;
		k = kind->save(&w->s, f, &o->body, &w->err);
	}
	if (k >= 0)
		k = image_commit(w->s.out, &w->err);
	image_writer_free(w->s.out);
	w->s.out = NULL;
	return k < 0 ? k : keep_frames(w);
}

void world_forget(struct world *w, bool kill)
{
	vec_each(f, &w->s.files) {
		const struct fd_kind *kind = fd_kind_by_id(w->files.at[f - w->s.files.at].kind);

		if (kill && kind && kind->before_kill)
			kind->before_kill(&w->s, f);
	}
	vec_each(f, &w->s.files)
		fd_closep(&f->local);
}

int world_restore(struct world *w)
{
	int k = 0;

	vec_each(o, &w->files) {
		const struct fd_kind *kind = fd_kind_by_id(o->kind);
		int fd;

		if (!kind)
			return -ENOTSUP;
		fd = kind->late_open ? -1 : kind->make(&w->r, o, &w->err);
		if (!kind->late_open && fd < 0)
			return fd;
		struct made_file *f = vec_push(&w->r.files);
		*f = (struct made_file){.id = o->id, .fd = fd};
	}
	vec_each(o, &w->files) {
		const struct fd_kind *kind = fd_kind_by_id(o->kind);

		if (kind->connect)
			k = kind->connect(&w->r, o, world_fd(w, o->id), &w->err);
		if (k < 0)
			return k;
	}
	if (w->keep_objects)
		return 0;
	vec_each(o, &w->r.objects) {
		fd_closep(&o->fd[0]);
		fd_closep(&o->fd[1]);
	}
	return 0;
}

int world_fd(const struct world *w, uint32_t id)
{
	return restore_file_fd(&w->r, id);
}

const struct refusal *world_refused(const struct world *w, const char *code)
{
	vec_each(r, &w->s.refusals) {
		if (!strcmp(r->code, code))
			return r;
	}
	return NULL;
}

void world_done(struct world *w)
{
	vec_each(f, &w->s.files) {
		fd_closep(&f->local);
		free(f->info);
	}
	vec_free(&w->s.files);
	save_done(&w->s);
	vec_each(o, &w->files)
		free(o->body.data);
	vec_free(&w->files);
	vec_each(f, &w->r.files)
		fd_closep(&f->fd);
	vec_free(&w->r.files);
	fd_closep(&w->s.root_fd);
	fd_closep(&w->r.root_fd);
	fd_closep(&w->image);
	restore_done(&w->r);
}
