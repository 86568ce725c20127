#include "kinds/pipe_content.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/description.h"
#include "kinds/fd_kind.h"
#include "kinds/message.h"

struct pipe_ends pipe_find_ends(const struct save *s, const struct saved_file *f)
{
	struct pipe_ends e = {0};

	vec_each(o, &s->files) {
		if (o->st.st_dev != f->st.st_dev || o->st.st_ino != f->st.st_ino || (o->flags & O_PATH))
			continue;
		uint32_t mode = o->flags & O_ACCMODE;
		if (mode != O_WRONLY)
			e.reader = o;
		if (mode != O_RDONLY)
			e.writer = o;
		e.packets |= mode != O_RDONLY && (o->flags & O_DIRECT);
	}
	return e;
}

/* Whether anybody at all can write into the pipe behind this read end. An empty pipe tells by tee(2):
 * end of file or EAGAIN (fs/splice.c ipipe_prep); one with content by POLLHUP (fs/pipe.c pipe_poll). */
static bool has_writer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int ends[2];

	if (poll(&p, 1, 0) < 0 || p.revents & POLLHUP)
		return false;
	if (p.revents & POLLIN)
		return true;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return true;
	bool ret = tee(fd, ends[1], 1, SPLICE_F_NONBLOCK) < 0;
	close(ends[0]);
	close(ends[1]);
	return ret;
}

bool pipe_is_outside(const struct pipe_ends *e, const struct saved_file *f)
{
	struct pollfd p = {.fd = f->local, .events = POLLOUT};

	if (e->reader && e->writer)
		return false;
	if (e->reader)
		return has_writer(f->local);
	return poll(&p, 1, 0) < 0 || !(p.revents & POLLERR);
}

/* A pipe of ours with a copy of the content; tee(2) consumes nothing and keeps packets apart. Returns
 * its read end, or -errno. */
static int copy_content(const struct saved_file *f, const struct pipe_ends *e, int capacity)
{
	_cleanup_close_ int again = -1, in = -1, out = -1;
	int ends[2], source = e->reader ? e->reader->local : -1;

	if (source < 0)
		source = again = description_reopen(f->local, O_RDONLY | O_NONBLOCK);
	if (source < 0)
		return source;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	if (fcntl(out, F_SETPIPE_SZ, capacity) < 0)
		return -errno;
	if (tee(source, out, (size_t)capacity, SPLICE_F_NONBLOCK) < 0 && errno != EAGAIN)
		return -errno;
	return fd_take(&in);
}

static int read_segments(int in, size_t capacity, Pipe *m)
{
	_cleanup_free_ uint8_t *buf = malloc(capacity);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		/* A read ends behind a packet (pipe(7)), so each is one; plain bytes come in one piece. */
		ssize_t k = read(in, buf, capacity);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno != EAGAIN)
			return -errno;
		if (k <= 0)
			return 0;
		void *more = reallocarray(m->segment, m->n_segment + 1, sizeof *m->segment);
		if (!more)
			return -ENOMEM;
		m->segment = more;
		uint8_t *data = malloc((size_t)k);
		if (!data)
			return -ENOMEM;
		memcpy(data, buf, (size_t)k);
		m->segment[m->n_segment++] = (ProtobufCBinaryData){.len = (size_t)k, .data = data};
	}
}

static int write_frame(struct save *s, const struct saved_file *f, const struct pipe_ends *e, uint32_t id,
		       struct pidspace_error *err)
{
	Pipe m = PIPE__INIT;
	_cleanup_close_ int copy = -1;
	int capacity = fcntl(f->local, F_GETPIPE_SZ);

	if (capacity < 0)
		return error_sys(err, -errno, "cannot look at %s", f->link);
	copy = copy_content(f, e, capacity);
	if (copy < 0)
		return error_sys(err, copy, "cannot read what is in %s", f->link);
	m.id = id;
	m.capacity = (uint32_t)capacity;
	m.uid = f->st.st_uid;
	m.gid = f->st.st_gid;
	int k = read_segments(copy, (size_t)capacity, &m);
	m.packets = e->packets || m.n_segment > 1;
	k = k < 0 ? error_sys(err, k, "cannot read what is in %s", f->link)
		  : message_save(s, FRAME_PIPE, &m.base, err);
	for (size_t i = 0; i < m.n_segment; i++)
		free(m.segment[i].data);
	free(m.segment);
	return k;
}

int pipe_save_content(struct save *s, uint32_t kind, const struct saved_file *f, uint32_t *ret_id,
		      struct pidspace_error *err)
{
	struct pipe_ends e = pipe_find_ends(s, f);
	bool fresh;

	*ret_id = save_object_id(s, kind, f->st.st_dev, f->st.st_ino, &fresh);
	if (!*ret_id)
		return error_sys(err, -ENOMEM, "cannot save %s", f->link);
	return fresh && s->out ? write_frame(s, f, &e, *ret_id, err) : 0;
}

static int write_segments(const Pipe *m, int fd, struct pidspace_error *err)
{
	_cleanup_close_ int out = -1;

	if (!m->n_segment)
		return 0;
	out = description_reopen(fd, O_WRONLY | O_NONBLOCK | (m->packets ? O_DIRECT : 0));
	if (out < 0)
		return error_sys(err, out, "cannot fill pipe %u", m->id);
	for (size_t i = 0; i < m->n_segment; i++) {
		ssize_t k = fd_write_all(out, m->segment[i].data, m->segment[i].len);
		if (k < 0)
			return error_sys(err, (int)k, "cannot put %zu bytes back into pipe %u",
					 m->segment[i].len, m->id);
	}
	return 0;
}

int pipe_fill(struct restore *r, uint32_t kind, uint32_t id, int fd, struct pidspace_error *err)
{
	struct made_object *o = restore_object(r, kind, id);
	_cleanup_message_ Pipe *m = NULL;

	if (!o)
		return error_sys(err, -ENOMEM, "cannot fill pipe %u", id);
	if (o->data)
		return 0;
	m = message_of_frame(r, FRAME_PIPE, id, &pipe__descriptor, "a pipe", err);
	if (!m)
		return -EBADMSG;
	o->data = malloc(1); /* filled */
	if (!o->data)
		return error_sys(err, -ENOMEM, "cannot fill pipe %u", id);
	/* EPERM: larger than an ordinary user may have here (pipe(7), pipe-max-size). */
	if (fcntl(fd, F_SETPIPE_SZ, (int)m->capacity) < 0 && errno != EPERM)
		return error_sys(err, -errno, "cannot make pipe %u %u bytes large", id, m->capacity);
	/* So that a process that gave up root may open it again by /proc/self/fd. */
	if (kind == KIND_PIPE && fchown(fd, m->uid, m->gid) < 0 && errno != EPERM && errno != EINVAL)
		return error_sys(err, -errno, "cannot give pipe %u its owner", id);
	return write_segments(m, fd, err);
}
