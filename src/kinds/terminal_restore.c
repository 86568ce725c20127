#include "kinds/terminal_restore.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "kinds/terminal.h"
#include "kinds/terminal_queue.h"
#include "terminal.pb-c.h"

/* Of a made_object of KIND_TERMINAL, whose id is index + 1; fd[0] is the master, fd[1] the slave once
 * terminal_slave() was asked for it. */
struct made_terminal {
	bool finished;
};

static Terminal *terminal_of(struct restore *r, uint32_t id, struct pidspace_error *err)
{
	Terminal *t = message_of_frame(r, FRAME_TERMINAL, id, &terminal__descriptor, "terminal", err);

	if (t && ((t->termios.len && t->termios.len != sizeof(struct termios2)) ||
		  (t->winsize.len && t->winsize.len != sizeof(struct winsize)))) {
		protobuf_c_message_free_unpacked(&t->base, NULL);
		error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the settings of terminal %u cannot be read", id);
		return NULL;
	}
	return t;
}

/* devpts gives the lowest free index (ida_alloc_max()). Masters below the wanted one are kept until
 * they are wanted themselves, and closed with the other objects. */
static int open_master(struct restore *r, uint32_t index, struct pidspace_error *err)
{
	struct made_object *spare = restore_object(r, OBJECT_SPARE_TERMINAL, index + 1);

	if (spare && spare->fd[0] >= 0)
		return fd_take(&spare->fd[0]);
	for (;;) {
		_cleanup_close_ int fd = restore_open(r, "/dev/ptmx", O_RDWR | O_NOCTTY, 0);
		unsigned got;

		if (fd < 0)
			return error_sys(err, fd, "cannot open /dev/ptmx of the container");
		if (ioctl(fd, TIOCGPTN, &got) < 0)
			return error_sys(err, -errno, "cannot make a terminal");
		if (got == index)
			return fd_take(&fd);
		if (got > index)
			return error_set(err, -EBUSY, "E_TERMINAL_INDEX",
					 "/dev/pts/%u is in use in the new container already", index);
		spare = restore_object(r, OBJECT_SPARE_TERMINAL, got + 1);
		if (!spare)
			return error_sys(err, -ENOMEM, "cannot make a terminal");
		spare->fd[0] = fd_take(&fd);
	}
}

static int give_console(struct restore *r, int master, struct pidspace_error *err)
{
	struct external *x = restore_external(r, "console");

	if (!x)
		return error_set(err, -ENOENT, "E_EXTERNAL",
				 "the container has a terminal as its console and nobody took it over");
	x->fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
	return x->fd < 0 ? error_sys(err, -errno, "cannot hand over the console") : 0;
}

static int make_terminal(struct restore *r, const Terminal *t, struct pidspace_error *err)
{
	_cleanup_close_ int master = open_master(r, t->index, err);
	int open = 0, k = 0;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &open) < 0 ||
	    (t->termios.len && ioctl(master, TCSETS2, t->termios.data) < 0) ||
	    (t->winsize.len && ioctl(master, TIOCSWINSZ, t->winsize.data) < 0))
		return error_sys(err, -errno, "cannot set up terminal /dev/pts/%u", t->index);
	if (t->outside)
		k = give_console(r, master, err);
	if (k < 0)
		return k;
	struct made_object *o = restore_object(r, KIND_TERMINAL, t->id);
	struct made_terminal *m = calloc(1, sizeof *m);
	if (!o || !m) {
		free(m);
		return error_sys(err, -ENOMEM, "cannot make a terminal");
	}
	o->data = m;
	o->fd[0] = fd_take(&master);
	return 0;
}

/* A new description of the slave. TIOCGPTPEER goes through the container's own devpts mount. Given
 * O_CLOEXEC it would leave that in the description's own flags, where fdinfo shows it for every
 * descriptor (ptm_open_peer(), dentry_open()). */
static int open_slave(int master, uint32_t flags)
{
	int how = ((int)flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY, off = 0, locked = 0;
	int fd = ioctl(master, TIOCGPTPEER, how);

	if (fd < 0 && errno == EIO && ioctl(master, TIOCGPTLCK, &locked) == 0 && locked) {
		ioctl(master, TIOCSPTLCK, &off);
		fd = ioctl(master, TIOCGPTPEER, how);
		ioctl(master, TIOCSPTLCK, &locked);
	}
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int terminal_restore_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ TerminalEnd *e = message_unpack(&terminal_end__descriptor, f->body.data,
							  f->body.len, "a terminal's end", err);
	_cleanup_message_ Terminal *t = e ? terminal_of(r, e->terminal, err) : NULL;
	_cleanup_close_ int fd = -1;
	struct made_object *o;
	int k;

	if (!t)
		return -EBADMSG;
	o = restore_object(r, KIND_TERMINAL, t->id);
	k = o && o->data ? 0 : make_terminal(r, t, err);
	if (k < 0)
		return k;
	o = restore_object(r, KIND_TERMINAL, t->id);
	if (e->master) {
		fd = fcntl(o->fd[0], F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return error_sys(err, -errno, "cannot keep the master of a terminal");
	} else {
		fd = open_slave(o->fd[0], f->flags);
		if (fd < 0)
			return error_sys(err, fd, "cannot open /dev/pts/%u", t->index);
	}
	k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set flags of a terminal") : fd_take(&fd);
}

static int set_owner(const struct restore *r, const Terminal *t)
{
	char path[32];

	if (!t->mode)
		return 0;
	snprintf(path, sizeof path, "dev/pts/%u", t->index);
	/* Somebody else's uid is root's to give; the owner is whoever restores then. */
	if (fchownat(r->root_fd, path, t->uid, t->gid, 0) < 0 && errno != EPERM && errno != EINVAL)
		return -errno;
	return fchmodat(r->root_fd, path, t->mode, 0) < 0 ? -errno : 0;
}

static int finish(struct restore *r, struct made_object *o, const Terminal *t)
{
	_cleanup_close_ int slave = -1;
	int on = 1, k = set_owner(r, t);

	/* Opening a slave that nobody holds hangs its master up when it is closed again: just what a
	 * master notices of a slave that went away, and must not if it was never opened. */
	if (t->slave_open || t->slave_gone)
		slave = open_slave(o->fd[0], O_RDWR | O_NONBLOCK);
	if (k == 0 && slave >= 0)
		k = terminal_queue_write(o->fd[0], slave, &t->input, &t->output);
	if (k == 0 && t->exclusive && slave >= 0 && ioctl(slave, TIOCEXCL) < 0)
		k = -errno;
	if (k == 0 && t->packet && ioctl(o->fd[0], TIOCPKT, &on) < 0)
		k = -errno;
	if (k == 0 && t->locked && ioctl(o->fd[0], TIOCSPTLCK, &on) < 0)
		k = -errno;
	if (t->master_gone)
		fd_closep(&o->fd[0]);
	return k;
}

int terminal_restore_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ TerminalEnd *e = message_unpack(&terminal_end__descriptor, f->body.data,
							  f->body.len, "a terminal's end", err);
	_cleanup_message_ Terminal *t = e ? terminal_of(r, e->terminal, err) : NULL;
	struct made_object *o = t ? restore_object(r, KIND_TERMINAL, t->id) : NULL;
	struct made_terminal *m = o ? o->data : NULL;

	if (!m)
		return -EBADMSG;
	if (m->finished)
		return 0;
	m->finished = true;
	int k = finish(r, o, t);
	return k < 0 ? error_sys(err, k, "cannot set up terminal /dev/pts/%u", t->index) : 0;
}

int terminal_slave(struct restore *r, uint32_t index, struct pidspace_error *err)
{
	struct made_object *o;
	size_t len;

	if (!restore_frame(r, FRAME_TERMINAL, index + 1, &len))
		return error_set(err, -ENOENT, "E_TERMINAL", "the image does not hold terminal /dev/pts/%u",
				 index);
	o = restore_object(r, KIND_TERMINAL, index + 1);
	if (!o || !o->data) {
		/* Known by its session alone: every descriptor of it was closed, or is /dev/tty. */
		_cleanup_message_ Terminal *t = terminal_of(r, index + 1, err);
		int k = t ? make_terminal(r, t, err) : -EBADMSG;

		if (k < 0)
			return k;
		o = restore_object(r, KIND_TERMINAL, index + 1);
	}
	if (o->fd[1] < 0)
		o->fd[1] = open_slave(o->fd[0], O_RDWR);
	return o->fd[1] < 0 ? error_sys(err, o->fd[1], "cannot open /dev/pts/%u", index) : o->fd[1];
}
