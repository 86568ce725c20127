#include "kinds_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/image.h"
#include "kinds/content.h"
#include "kinds/description.h"
#include "kinds/fd_kind.h"
#include "kinds/message.h"
#include "kinds/tree_file.h"

static void assert_fine(long k, const struct pidspace_error *err)
{
	if (k < 0)
		fail_msg("%s (%s)", err->message, err->code);
}

int bench_set_up(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	snprintf(b->dir, sizeof b->dir, "/tmp/pidspace-kinds.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->image = -1;
	b->s.root_fd = b->r.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = b;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void forget_locals(struct bench *b)
{
	vec_each(f, &b->s.files) {
		fd_closep(&f->local);
		free(f->info);
	}
	vec_free(&b->s.files);
}

int bench_tear_down(void **state)
{
	struct bench *b = *state;

	forget_locals(b);
	save_done(&b->s);
	restore_done(&b->r);
	fd_closep(&b->image);
	if (b->r.root_fd != b->s.root_fd)
		close(b->r.root_fd);
	close(b->s.root_fd);
	nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(b);
	return 0;
}

uint32_t bench_meet(struct bench *b, int fd)
{
	struct saved_file *f = vec_push(&b->s.files);
	char path[64];

	assert_non_null(f);
	f->id = (uint32_t)b->s.files.n;
	f->holder = vpid_of(getpid());
	f->holder_host = hpid_of(getpid());
	f->fd = fd;
	f->local = fcntl(fd, F_DUPFD_CLOEXEC, 500);
	assert_true(f->local >= 0);
	assert_int_equal(fstat(f->local, &f->st), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, f->link, sizeof f->link - 1);
	assert_true(n > 0);
	f->link[n] = 0;
	assert_int_equal(description_own_info(fd, &f->info), 0);
	f->flags = (uint32_t)strtoul(description_info(f->info, "flags"), NULL, 8) & ~(uint32_t)O_CLOEXEC;
	f->pos = strtoll(description_info(f->info, "pos"), NULL, 10);
	return f->id;
}

static void save_each(struct bench *b)
{
	struct pidspace_error err = {0};

	vec_each(f, &b->s.files) {
		const struct fd_kind *kind = fd_kind_of(&b->s, f);
		OpenFile m = OPEN_FILE__INIT;
		m.id = f->id;
		m.kind = kind->id;
		m.flags = f->flags;
		m.pos = f->pos;
		assert_fine(kind->save(&b->s, f, &m.body, &err), &err);
		assert_fine(message_save(&b->s, FRAME_OPEN_FILE, &m.base, &err), &err);
		free(m.body.data);
	}
}

void bench_save(struct bench *b)
{
	struct pidspace_error err = {0};

	b->image = memfd_create("image", MFD_CLOEXEC);
	assert_fine(image_writer_new(&b->s.out, b->image, IMAGE_LZ4, &err), &err);
	if (b->old_root[0])
		assert_fine(tree_file_save_all(&b->s, "/dev/shm", &err), &err);
	save_each(b);
	vec_each(r, &b->s.refusals)
		fail_msg("refused: %s: %s (%s)", r->what, r->why, r->code);
	assert_fine(content_write_all(&b->s, &err), &err);
	assert_fine(image_commit(b->s.out, &err), &err);
	image_writer_free(b->s.out);
	forget_locals(b);
}

void bench_save_refused(struct bench *b, const char *code)
{
	bool found = false;

	save_each(b);
	vec_each(r, &b->s.refusals) {
		assert_true(r->what[0] && r->why[0] && r->advice[0]);
		found |= !strcmp(r->code, code);
	}
	if (!found)
		fail_msg("expected %s, got %s", code, b->s.refusals.n ? b->s.refusals.at[0].code : "none");
}

/* Calls each for every frame of a type (0: those that are neither). */
static void each_frame(struct bench *b, void (*each)(struct bench *b, const struct image_frame *f))
{
	struct pidspace_error err = {0};
	struct image_reader *in;
	struct image_frame f;
	int k;

	assert_int_equal(lseek(b->image, 0, SEEK_SET), 0);
	assert_fine(image_reader_new(&in, b->image, &err), &err);
	while ((k = image_next(in, &f, &err)) > 0)
		each(b, &f);
	assert_fine(k, &err);
	image_reader_free(in);
}

static void keep(struct bench *b, const struct image_frame *f)
{
	struct pidspace_error err = {0};

	if (f->type == FRAME_TREE_FILE)
		assert_fine(tree_file_restore(&b->r, f->body, f->len, &err), &err);
	else if (f->type != FRAME_PAGES)
		assert_int_equal(restore_keep_frame(&b->r, f->type, f->body, f->len), 0);
}

static void place(struct bench *b, const struct image_frame *f)
{
	struct pidspace_error err = {0};

	if (content_is(f))
		assert_fine(content_pages(&b->r, f, &err), &err);
}

static OpenFile *open_file(const struct kept_frame *f)
{
	return f->type == FRAME_OPEN_FILE ? message_unpack(&open_file__descriptor, f->body, f->len, "file", NULL)
					  : NULL;
}

void bench_read(struct bench *b)
{
	each_frame(b, keep);
}

size_t bench_precheck(struct bench *b)
{
	for (size_t i = 0; i < b->r.frames.n; i++) {
		OpenFile *m = open_file(&b->r.frames.at[i]);
		const struct fd_kind *kind = m ? fd_kind_by_id(m->kind) : NULL;
		if (kind && kind->precheck)
			assert_int_equal(kind->precheck(&b->r, m, NULL), 0);
		if (m)
			open_file__free_unpacked(m, NULL);
	}
	return b->r.refusals.n;
}

void bench_make(struct bench *b)
{
	struct pidspace_error err = {0};

	for (int connect = 0; connect < 2; connect++) {
		for (size_t i = 0; i < b->r.frames.n; i++) {
			OpenFile *m = open_file(&b->r.frames.at[i]);
			if (!m)
				continue;
			const struct fd_kind *kind = fd_kind_by_id(m->kind);
			assert_non_null(kind);
			if (!connect) {
				int fd = kind->make(&b->r, m, &err);
				assert_fine(fd, &err);
				struct made_file *made = vec_push(&b->r.files);
				*made = (struct made_file){m->id, fd};
			} else if (kind->connect) {
				assert_fine(kind->connect(&b->r, m, restore_file_fd(&b->r, m->id), &err),
					    &err);
			}
			open_file__free_unpacked(m, NULL);
		}
	}
	each_frame(b, place);
	assert_fine(content_finish(&b->r, &err), &err);
	/* What the engine closes once all is made. */
	vec_each(o, &b->r.objects) {
		fd_closep(&o->fd[0]);
		fd_closep(&o->fd[1]);
	}
}

void bench_restore(struct bench *b)
{
	bench_read(b);
	bench_make(b);
}

int bench_fd(struct bench *b, uint32_t id)
{
	int fd = restore_file_fd(&b->r, id);

	assert_true(fd >= 0);
	return fd;
}

const char *bench_path(struct bench *b, const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", b->dir, name);
	return path;
}
