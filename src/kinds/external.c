/* Descriptions that came from outside and that somebody answers for: the monitor's pipes and log, and
 * what the user names with --external. The image holds their names; whoever restores brings stand-ins.
 * What waited in a pipe to be read inside goes along, because its writer will not write it again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "external.pb-c.h"
#include "kinds/description.h"
#include "kinds/kinds.h"
#include "kinds/message.h"

#define MEMORY_DEVICES 1 /* Documentation/admin-guide/devices.txt: null, zero, random, ... */

/* While restoring: one per stand-in. */
struct stand_in {
	bool taken;  /* its own description belongs to somebody already */
	bool filled; /* saved content was written into it */
};

static bool external_claims(const struct save *s, const struct saved_file *f)
{
	const struct external *x;

	if ((f->flags & O_PATH) || S_ISDIR(f->st.st_mode) ||
	    (S_ISCHR(f->st.st_mode) && major(f->st.st_rdev) == MEMORY_DEVICES))
		return false;
	x = save_external(s, f->st.st_dev, f->st.st_ino);
	/* The slave of a console is ours to make again (terminal.c). */
	return x && !(S_ISCHR(f->st.st_mode) && !strcmp(x->name, "console"));
}

/* Copies what waits in a pipe, and leaves it there: tee(2). */
static int save_content(int fd, ProtobufCBinaryData *ret)
{
	_cleanup_close_ int in = -1, out = -1;
	int ends[2], size = fcntl(fd, F_GETPIPE_SZ);

	if (size < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	if (fcntl(out, F_SETPIPE_SZ, size) < 0)
		return -errno;
	ssize_t n = tee(fd, out, (size_t)size, SPLICE_F_NONBLOCK);
	if (n <= 0)
		return n < 0 && errno != EAGAIN ? -errno : 0;
	ret->data = malloc((size_t)n);
	if (!ret->data)
		return -ENOMEM;
	n = fd_read_all(in, ret->data, (size_t)n);
	if (n < 0)
		return (int)n;
	ret->len = (size_t)n;
	return 0;
}

static int external_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			 struct pidspace_error *err)
{
	const struct external *x = save_external(s, f->st.st_dev, f->st.st_ino);
	ExternalFile m = EXTERNAL_FILE__INIT;
	int k = 0;

	m.name = (char *)x->name;
	m.type = f->st.st_mode & S_IFMT;
	if (S_ISFIFO(f->st.st_mode) && (f->flags & O_ACCMODE) != O_WRONLY)
		k = save_content(f->local, &m.content);
	if (k < 0)
		error_sys(err, k, "cannot read what waits in %s (%s)", x->name, f->link);
	else
		k = message_pack(&m.base, ret_body, err);
	free(m.content.data);
	return k;
}

static struct stand_in *state_of(struct restore *r, const struct external *x)
{
	struct made_object *o = restore_object(r, OBJECT_EXTERNAL, (uint32_t)(x - r->externals) + 1);

	if (o && !o->data)
		o->data = calloc(1, sizeof(struct stand_in));
	return o ? o->data : NULL;
}

/* Nobody writes to /dev/null's other side: the content is all there is, then comes the end. */
static int content_alone(const ProtobufCBinaryData *content)
{
	_cleanup_close_ int in = -1, out = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	if (content->len > 65536 && fcntl(out, F_SETPIPE_SZ, (int)content->len) < 0)
		return -errno;
	fcntl(out, F_SETFL, O_NONBLOCK);
	ssize_t n = fd_write_all(out, content->data, content->len);
	return n < 0 ? (int)n : fd_take(&in);
}

static int fill(int fd, const ProtobufCBinaryData *content)
{
	_cleanup_close_ int out = description_reopen(fd, O_WRONLY | O_NONBLOCK);

	if (out < 0)
		return out;
	ssize_t n = fd_write_all(out, content->data, content->len);
	return n < 0 ? (int)n : 0;
}

/* *ret_fd is what to read it from when that is not the stand-in itself. */
static int put_content(struct stand_in *state, const struct external *x, const ExternalFile *m,
		       int *ret_fd, struct pidspace_error *err)
{
	struct stat st;
	int k;

	if (fstat(x->fd, &st) < 0)
		return error_sys(err, -errno, "cannot look at the stand-in for %s", x->name);
	if (S_ISCHR(st.st_mode) && major(st.st_rdev) == MEMORY_DEVICES) {
		*ret_fd = content_alone(&m->content);
		return *ret_fd < 0 ? error_sys(err, *ret_fd, "cannot put back what waited in %s", x->name)
				   : 0;
	}
	if (!S_ISFIFO(st.st_mode))
		return error_set(err, -EINVAL, "E_EXTERNAL",
				 "%zu bytes waited in %s, and they can only be put into a pipe: use one with --external %s=PATH",
				 m->content.len, x->name, x->name);
	if (!state->filled) {
		k = fill(x->fd, &m->content);
		if (k < 0)
			return error_sys(err, k, "cannot put back what waited in %s", x->name);
		state->filled = true;
	}
	return 0;
}

static bool mode_fits(int fd, uint32_t flags)
{
	int have = fcntl(fd, F_GETFL) & O_ACCMODE, want = (int)flags & O_ACCMODE;

	return have == want || have == O_RDWR;
}

/* The stand-in's own description for the first that needs it; a further one is opened anew, because the
 * two were apart. Sockets cannot be opened, so they are shared. */
static int take(struct stand_in *state, const struct external *x, uint32_t flags)
{
	int fd = -1;

	if (state->taken || !mode_fits(x->fd, flags))
		fd = description_reopen(x->fd, flags);
	if (fd < 0 && mode_fits(x->fd, flags)) {
		fd = fcntl(x->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fd = -errno;
	}
	state->taken = true;
	return fd;
}

static int missing(const char *name, struct pidspace_error *err)
{
	return error_set(err, -ENOENT, "E_EXTERNAL",
			 "nothing stands in for %s, which came from outside: name it with --external %s=PATH",
			 name, name);
}

static int external_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ ExternalFile *m = message_unpack(&external_file__descriptor, f->body.data,
							   f->body.len, "an external file", err);
	_cleanup_close_ int fd = -1;
	struct stand_in *state;
	struct external *x;
	int k;

	if (!m)
		return -EBADMSG;
	x = restore_external(r, m->name);
	if (!x || x->fd < 0)
		return missing(m->name, err);
	state = state_of(r, x);
	if (!state)
		return error_sys(err, -ENOMEM, "cannot connect %s", m->name);
	k = m->content.len ? put_content(state, x, m, &fd, err) : 0;
	if (k < 0)
		return k;
	if (fd < 0)
		fd = take(state, x, f->flags);
	if (fd < 0)
		return error_sys(err, fd, "the stand-in for %s cannot be opened as it was", m->name);
	k = description_set_flags(fd, f->flags & ~(uint32_t)O_DIRECT);
	if (k < 0)
		return error_sys(err, k, "cannot set flags of %s", m->name);
	if (lseek(fd, 0, SEEK_CUR) >= 0)
		lseek(fd, 0, SEEK_END);
	return fd_take(&fd);
}

static int external_precheck(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ ExternalFile *m = message_unpack(&external_file__descriptor, f->body.data,
							   f->body.len, "an external file", err);
	char advice[160];

	if (!m)
		return -EBADMSG;
	const struct external *x = restore_external(r, m->name);
	if (x && x->fd >= 0)
		return 0;
	snprintf(advice, sizeof advice, "--external %.64s=PATH", m->name);
	restore_refuse(r, "E_EXTERNAL", "it came from outside and nothing stands in for it", advice,
		       "external %.64s", m->name);
	return 0;
}

const struct fd_kind external_kind = {
	.name = "external",
	.id = KIND_EXTERNAL,
	.claims = external_claims,
	.save = external_save,
	.make = external_make,
	.precheck = external_precheck,
};
