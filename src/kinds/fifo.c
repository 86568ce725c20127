/* Named fifos: fifo(7). Their content lives only as long as somebody has an end open. */
#include "kinds/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "kinds/pipe_content.h"
#include "kinds/tree_file.h"

static bool fifo_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISFIFO(f->st.st_mode) && f->link[0] == '/';
}

/* A reader that has seen no writer yet gets no POLLHUP (fs/pipe.c fifo_open). */
static bool never_written(const struct pipe_ends *e, const struct saved_file *f)
{
	struct pollfd p = {.fd = f->local, .events = POLLIN};

	return !e->writer && poll(&p, 1, 0) == 0;
}

static int fifo_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		     struct pidspace_error *err)
{
	struct pipe_ends e = pipe_find_ends(s, f);
	_cleanup_close_ int same = save_open_same(s, f->link, &f->st);
	FifoEnd m = FIFO_END__INIT;

	if (same < 0) {
		save_refuse(s, f, "E_FILE_NAME", "this name is not this fifo's inside the container",
			    "close it before the checkpoint", "the fifo %.200s", f->link);
		return 0;
	}
	if (pipe_is_outside(&e, f)) {
		save_refuse(s, f, "E_PIPE_OUTSIDE", "its other end is held outside the container",
			    "name it with --external at checkpoint and restore", "the fifo %.200s",
			    f->link);
		return 0;
	}
	m.never_written = never_written(&e, f);
	m.path = f->link;
	m.in_tree = tree_file_holds(s, f->link);
	int k = pipe_save_content(s, KIND_FIFO, f, &m.pipe, err);
	return k < 0 ? k : message_pack(&m.base, ret_body, err);
}

static FifoEnd *unpack(const OpenFile *f, struct pidspace_error *err)
{
	return message_unpack(&fifo_end__descriptor, f->body.data, f->body.len, "a fifo", err);
}

static int fifo_precheck(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ FifoEnd *m = unpack(f, err);
	struct stat st;

	if (!m)
		return -EBADMSG;
	if (m->in_tree)
		return 0;
	_cleanup_close_ int fd = restore_open(r, m->path, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		restore_refuse(r, "E_FILE_MISSING",
			       fd < 0 ? strerror(-fd) : "it is no fifo any more",
			       "make it again (mkfifo)", "the fifo %.200s", m->path);
	return 0;
}

static int fifo_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ FifoEnd *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	struct made_object *o = restore_object(r, KIND_FIFO, m->pipe);
	if (!o)
		return error_sys(err, -ENOMEM, "cannot restore the fifo %s", m->path);
	/* Both ends, so that no open below waits for the other one; but a writer, even one that goes
	 * again, would be seen as POLLHUP by a reader that never had one. */
	if (o->fd[0] < 0)
		o->fd[0] = restore_open(r, m->path,
					(m->never_written ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOFOLLOW, 0);
	if (o->fd[0] < 0)
		return error_set(err, o->fd[0], "E_FILE_OPEN",
				 "cannot open the fifo %s: %s; make it again (mkfifo)", m->path,
				 strerror(-o->fd[0]));
	_cleanup_close_ int fd = description_reopen(o->fd[0], f->flags | O_NONBLOCK);
	if (fd < 0)
		return error_sys(err, fd, "cannot open the fifo %s", m->path);
	int k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set the flags of the fifo %s", m->path) : fd_take(&fd);
}

static int fifo_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ FifoEnd *m = unpack(f, err);

	return m ? pipe_fill(r, KIND_FIFO, m->pipe, fd, err) : -EBADMSG;
}

const struct fd_kind fifo_kind = {
	.name = "fifo",
	.id = KIND_FIFO,
	.claims = fifo_claims,
	.save = fifo_save,
	.make = fifo_make,
	.connect = fifo_connect,
	.precheck = fifo_precheck,
	.body = &fifo_end__descriptor,
};
