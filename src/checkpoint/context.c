#include "checkpoint/context.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/image.h"
#include "kernel/sys.h"

#pragma weak space_to_host /* until space/ has it */

static int open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT,
	};

	/* openat2(2) refuses with O_PATH what open(2) ignores. */
	if (flags & O_PATH)
		how.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	/* RESOLVE_IN_ROOT answers EAGAIN when something was renamed or mounted meanwhile. */
	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN || tries == 1000)
			return -errno;
	}
}

/* --- saving --- */

uint32_t save_object_id(struct save *s, uint32_t kind, dev_t dev, ino_t ino, bool *ret_new)
{
	vec_each(o, &s->objects) {
		if (o->kind == kind && o->dev == dev && o->ino == ino) {
			*ret_new = false;
			return o->id;
		}
	}
	struct saved_object *o = vec_push(&s->objects);
	if (!o)
		return 0;
	*o = (struct saved_object){.kind = kind, .dev = dev, .ino = ino, .id = (uint32_t)s->objects.n};
	*ret_new = true;
	return o->id;
}

void save_refuse(struct save *s, const struct saved_file *f, const char *code, const char *why,
		 const char *advice, const char *what_fmt, ...)
{
	struct refusal *r = vec_push(&s->refusals);
	va_list ap;

	if (!r)
		return;
	r->pid = f ? f->holder : vpid_of(0);
	r->fd = f ? f->fd : -1;
	snprintf(r->code, sizeof r->code, "%s", code);
	snprintf(r->why, sizeof r->why, "%s", why);
	snprintf(r->advice, sizeof r->advice, "%s", advice);
	va_start(ap, what_fmt);
	vsnprintf(r->what, sizeof r->what, what_fmt, ap);
	va_end(ap);
}

struct saved_file *save_file(const struct save *s, uint32_t id)
{
	/* Ids are given in order, so the row usually is at id - 1. */
	if (id && id <= s->files.n && s->files.at[id - 1].id == id)
		return &s->files.at[id - 1];
	vec_each(f, &s->files) {
		if (f->id == id)
			return f;
	}
	return NULL;
}

uint32_t save_file_id(const struct save *s, struct vpid pid, int fd)
{
	_cleanup_close_ int pidfd = -1, theirs = -1;
	struct hpid host = hpid_of(0);
	struct stat st;

	vec_each(f, &s->files) {
		if (f->holder.n == pid.n) {
			if (f->fd == fd)
				return f->id;
			host = f->holder_host;
		}
	}
	if (!host.n && (!s->space || space_to_host(s->space, pid, &host) < 0))
		return 0;
	pidfd = sys_pidfd_open(host.n, 0);
	if (pidfd < 0)
		return 0;
	theirs = sys_pidfd_getfd(pidfd, fd);
	if (theirs < 0 || fstat(theirs, &st) < 0)
		return 0;
	/* Both are our own descriptors by now, so that kcmp(2) asks for no rights. */
	vec_each(f, &s->files) {
		if (f->st.st_ino == st.st_ino && f->st.st_dev == st.st_dev &&
		    sys_kcmp(getpid(), getpid(), SYS_KCMP_FILE, (unsigned long)f->local,
			     (unsigned long)theirs) == 0)
			return f->id;
	}
	return 0;
}

const struct external *save_external(const struct save *s, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < s->n_externals; i++) {
		if (s->externals[i].dev == dev && s->externals[i].ino == ino)
			return &s->externals[i];
	}
	return NULL;
}

int save_open_same(const struct save *s, const char *path, const struct stat *st)
{
	_cleanup_close_ int fd = open_in_root(s->root_fd, path, O_PATH | O_NOFOLLOW, 0);
	struct stat now;

	if (fd < 0)
		return fd;
	if (fstat(fd, &now) < 0)
		return -errno;
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
		return -ESTALE;
	return fd_take(&fd);
}

int save_frame(struct save *s, uint32_t type, const void *body, size_t len, struct pidspace_error *err)
{
	if (!s->out)
		return 0;
	if (!s->hold)
		return image_write(s->out, (uint16_t)type, body, len, err);
	struct kept_frame *f = vec_push(&s->held);
	if (!f || !(f->body = malloc(len + 1)))
		return error_sys(err, -ENOMEM, "cannot keep a part of the image");
	f->type = (uint16_t)type;
	f->len = len;
	memcpy(f->body, body, len);
	return 0;
}

int save_write_held(struct save *s, struct pidspace_error *err)
{
	int r = 0;

	s->hold = false;
	vec_each(f, &s->held) {
		if (r == 0)
			r = image_write(s->out, f->type, f->body, f->len, err);
		free(f->body);
		f->body = NULL;
	}
	vec_free(&s->held);
	return r;
}

void save_done(struct save *s)
{
	vec_each(c, &s->contents)
		fd_closep(&c->fd);
	vec_free(&s->contents);
	vec_free(&s->objects);
	vec_free(&s->refusals);
	vec_each(line, &s->locks)
		free(*line);
	vec_free(&s->locks);
	vec_each(f, &s->held)
		free(f->body);
	vec_free(&s->held);
}

/* --- restoring --- */

struct made_object *restore_object(struct restore *r, uint32_t kind, uint32_t id)
{
	vec_each(o, &r->objects) {
		if (o->kind == kind && o->id == id)
			return o;
	}
	struct made_object *o = vec_push(&r->objects);
	if (o)
		*o = (struct made_object){.kind = kind, .id = id, .fd = {-1, -1}};
	return o;
}

int restore_file_fd(const struct restore *r, uint32_t id)
{
	vec_each(f, &r->files) {
		if (f->id == id)
			return f->fd;
	}
	return -1;
}

/* Every message kept begins with `uint32 id = 1`, which protobuf writes first: tag 0x08, then a
 * varint (encoding.md of protobuf). proto3 leaves out a 0. */
static int first_field(const uint8_t *body, size_t len, uint32_t *ret)
{
	uint64_t v = 0;

	*ret = 0;
	if (!len || body[0] != 0x08)
		return 0;
	for (size_t i = 1, shift = 0; i < len && shift < 35; i++, shift += 7) {
		v |= (uint64_t)(body[i] & 0x7f) << shift;
		if (!(body[i] & 0x80)) {
			if (v > UINT32_MAX)
				return -EBADMSG;
			*ret = (uint32_t)v;
			return 0;
		}
	}
	return -EBADMSG;
}

int restore_keep_frame(struct restore *r, uint32_t type, const void *body, size_t len)
{
	uint32_t id;
	int k = first_field(body, len, &id);

	if (k < 0)
		return k;
	void *copy = malloc(len ? len : 1);
	if (!copy)
		return -ENOMEM;
	struct kept_frame *f = vec_push(&r->frames);
	if (!f) {
		free(copy);
		return -ENOMEM;
	}
	if (len)
		memcpy(copy, body, len);
	*f = (struct kept_frame){.type = (uint16_t)type, .id = id, .body = copy, .len = len};
	return 0;
}

const void *restore_frame(const struct restore *r, uint32_t type, uint32_t id, size_t *ret_len)
{
	vec_each(f, &r->frames) {
		if (f->type == type && f->id == id) {
			*ret_len = f->len;
			return f->body;
		}
	}
	return NULL;
}

struct external *restore_external(struct restore *r, const char *name)
{
	for (size_t i = 0; i < r->n_externals; i++) {
		if (!strcmp(r->externals[i].name, name))
			return &r->externals[i];
	}
	return NULL;
}

void restore_refuse(struct restore *r, const char *code, const char *why, const char *advice,
		    const char *what_fmt, ...)
{
	struct refusal *row = vec_push(&r->refusals);
	va_list ap;

	if (!row)
		return;
	row->fd = -1;
	snprintf(row->code, sizeof row->code, "%s", code);
	snprintf(row->why, sizeof row->why, "%s", why);
	snprintf(row->advice, sizeof row->advice, "%s", advice);
	va_start(ap, what_fmt);
	vsnprintf(row->what, sizeof row->what, what_fmt, ap);
	va_end(ap);
}

int restore_open(const struct restore *r, const char *path, int flags, mode_t mode)
{
	return open_in_root(r->root_fd, path, flags, mode);
}

void restore_done(struct restore *r)
{
	vec_each(o, &r->objects) {
		fd_closep(&o->fd[0]);
		fd_closep(&o->fd[1]);
		free(o->data);
	}
	vec_free(&r->objects);
	vec_each(f, &r->frames)
		free(f->body);
	vec_free(&r->frames);
	vec_each(c, &r->contents)
		fd_closep(&c->fd);
	vec_free(&r->contents);
	vec_each(f, &r->files)
		fd_closep(&f->fd);
	vec_free(&r->files);
	vec_free(&r->refusals);
}
