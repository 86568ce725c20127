/* Pipes: pipe2(2). The object is the pipe, the descriptions are its ends. */
#include "kinds/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "kinds/pipe_content.h"

static bool pipe_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISFIFO(f->st.st_mode) && !strncmp(f->link, "pipe:[", 6);
}

static int pipe_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		     struct pidspace_error *err)
{
	struct pipe_ends e = pipe_find_ends(s, f);
	PipeEnd m = PIPE_END__INIT;

	if (pipe_is_outside(&e, f)) {
		save_refuse(s, f, "E_PIPE_OUTSIDE", "its other end is held outside the container",
			    "name it with --external at checkpoint and restore", "%.60s, the %s end",
			    f->link, e.reader ? "read" : "write");
		return 0;
	}
	int k = pipe_save_content(s, KIND_PIPE, f, &m.pipe, err);
	return k < 0 ? k : message_pack(&m.base, ret_body, err);
}

static PipeEnd *unpack(const OpenFile *f, struct pidspace_error *err)
{
	return message_unpack(&pipe_end__descriptor, f->body.data, f->body.len, "a pipe", err);
}

static int pipe_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ PipeEnd *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	struct made_object *o = restore_object(r, KIND_PIPE, m->pipe);
	if (!o)
		return error_sys(err, -ENOMEM, "cannot restore pipe %u", m->pipe);
	if (o->fd[0] < 0 && pipe2(o->fd, O_CLOEXEC) < 0)
		return error_sys(err, -errno, "cannot make a pipe");
	/* Always a new description: the engine closes the object's own two at the end, and with them
	 * an end that nobody has any more. */
	int fd = description_reopen(o->fd[0], f->flags);
	return fd < 0 ? error_sys(err, fd, "cannot open an end of a pipe") : fd;
}

static int pipe_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ PipeEnd *m = unpack(f, err);

	return m ? pipe_fill(r, KIND_PIPE, m->pipe, fd, err) : -EBADMSG;
}

const struct fd_kind pipe_kind = {
	.name = "pipe",
	.id = KIND_PIPE,
	.claims = pipe_claims,
	.save = pipe_save,
	.make = pipe_make,
	.connect = pipe_connect,
	.body = &pipe_end__descriptor,
};
