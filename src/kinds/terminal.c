#include "kinds/terminal.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/kinds.h"
#include "kinds/message.h"
#include "kinds/terminal_queue.h"
#include "kinds/terminal_restore.h"
#include "terminal.pb-c.h"

#define PTMX makedev(5, 2)
#define FIRST_SLAVE_MAJOR 136 /* Documentation/admin-guide/devices.txt */
#define LAST_SLAVE_MAJOR 143

static int index_of(dev_t rdev)
{
	if (major(rdev) < FIRST_SLAVE_MAJOR || major(rdev) > LAST_SLAVE_MAJOR)
		return -1;
	return (int)((major(rdev) - FIRST_SLAVE_MAJOR) * 256 + minor(rdev));
}

int terminal_index_of(int tty_nr)
{
	/* new_encode_dev(): minor's low byte, major, the minor's rest. */
	unsigned n = (unsigned)tty_nr;

	return index_of(makedev((n >> 8) & 0xfff, (n & 0xff) | ((n >> 12) & 0xfff00)));
}

static bool is_master(const struct saved_file *f)
{
	return S_ISCHR(f->st.st_mode) && f->st.st_rdev == PTMX;
}

static bool terminal_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) &&
	       (is_master(f) || index_of(f->st.st_rdev) >= 0);
}

/* The index of the terminal that f is an end of, or -errno. */
static int index_of_file(const struct saved_file *f)
{
	unsigned n;

	if (!is_master(f))
		return index_of(f->st.st_rdev);
	return ioctl(f->local, TIOCGPTN, &n) < 0 ? -errno : (int)n;
}

/* The slave's inode as the container sees it. */
static int slave_stat(const struct save *s, uint32_t index, struct stat *ret)
{
	char path[32];

	snprintf(path, sizeof path, "dev/pts/%u", index);
	return fstatat(s->root_fd, path, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Is f an end of a terminal of the container's own devpts? A master may also have been opened through a
 * /dev/ptmx outside of it. */
static bool is_own(const struct save *s, const struct saved_file *f)
{
	struct stat st;

	if (fstatat(s->root_fd, "dev/pts", &st, 0) < 0)
		return false;
	return f->st.st_dev == st.st_dev || (is_master(f) && !strcmp(f->link, "/dev/ptmx"));
}

static const struct saved_file *find_master(const struct save *s, uint32_t index)
{
	vec_each(f, &s->files) {
		if (is_master(f) && is_own(s, f) && index_of_file(f) == (int)index)
			return f;
	}
	return NULL;
}

static const struct saved_file *find_slave(const struct save *s, uint32_t index)
{
	vec_each(f, &s->files) {
		if (S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) && is_own(s, f) &&
		    index_of(f->st.st_rdev) == (int)index)
			return f;
	}
	return NULL;
}

static void refuse_outside(struct save *s, const struct saved_file *f, const char *why)
{
	save_refuse(s, f, "E_TERMINAL_OUTSIDE", why,
		    "close it, or start the container with run -t, which gives it a terminal of its own",
		    "terminal %.200s", f->link);
}

static int read_int(int fd, unsigned long request)
{
	int v = 0;

	return ioctl(fd, request, &v) < 0 ? 0 : v;
}

/* Both ends answer with the slave's settings (tty_mode_ioctl()). */
static int save_settings(const struct saved_file *master, const struct saved_file *slave, int any,
			 Terminal *t, struct termios2 *termios, struct winsize *size,
			 struct pidspace_error *err)
{
	if (ioctl(any, TCGETS2, termios) < 0 || ioctl(any, TIOCGWINSZ, size) < 0)
		return error_sys(err, -errno, "cannot read the settings of terminal /dev/pts/%u", t->index);
	t->termios = (ProtobufCBinaryData){.data = (uint8_t *)termios, .len = sizeof *termios};
	t->winsize = (ProtobufCBinaryData){.data = (uint8_t *)size, .len = sizeof *size};
	t->slave_open = slave || !master;
	t->exclusive = slave && read_int(slave->local, TIOCGEXCL);
	if (master) {
		struct pollfd p = {.fd = master->local, .events = POLLIN};

		t->locked = read_int(master->local, TIOCGPTLCK);
		t->packet = read_int(master->local, TIOCGPKT);
		poll(&p, 1, 0);
		t->slave_gone = !slave && (p.revents & POLLHUP);
	}
	return 0;
}

/* Only with the master in hand: the one of a console is the monitor's, and what the user has typed
 * ahead there is lost. */
static int save_queues(const struct save *s, const struct saved_file *master, Terminal *t)
{
	_cleanup_close_ int slave = -1;

	if (!s->out || !master || t->locked || !(t->slave_open || t->slave_gone))
		return 0;
	slave = ioctl(master->local, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (slave < 0) /* TIOCEXCL keeps an ordinary user out */
		return errno == EBUSY ? 0 : -errno;
	return terminal_queue_read(master->local, slave, &t->input, &t->output);
}

int terminal_save_once(struct save *s, const struct saved_file *f, uint32_t index,
		       struct pidspace_error *err)
{
	const struct saved_file *master = find_master(s, index), *slave = find_slave(s, index);
	const struct external *x;
	Terminal t = TERMINAL__INIT;
	struct termios2 termios;
	struct winsize size;
	struct stat st = {0};
	bool is_new;
	int any = master ? master->local : slave ? slave->local : f->local, k;

	if (!save_object_id(s, KIND_TERMINAL, 0, index, &is_new))
		return error_sys(err, -ENOMEM, "cannot save a terminal");
	if (!is_new)
		return 0;
	t.id = index + 1;
	t.index = index;
	if (slave_stat(s, index, &st) == 0) {
		t.mode = st.st_mode & 07777;
		t.uid = st.st_uid;
		t.gid = st.st_gid;
	}
	if (!master) {
		x = save_external(s, st.st_dev, st.st_ino);
		t.outside = x && !strcmp(x->name, "console");
		/* A slave whose master was closed is hung up: every call answers EIO (tty_io.c). */
		t.master_gone = !t.outside && ioctl(any, TCGETS2, &termios) < 0 && errno == EIO;
		if (!t.outside && !t.master_gone) {
			refuse_outside(s, f, "its master is held by a process outside the container");
			return 0;
		}
	}
	k = t.master_gone ? 0 : save_settings(master, slave, any, &t, &termios, &size, err);
	if (k < 0)
		return k;
	k = save_queues(s, master, &t);
	if (k < 0)
		error_sys(err, k, "cannot read what waits in terminal /dev/pts/%u", index);
	else
		k = message_save(s, FRAME_TERMINAL, &t.base, err);
	free(t.input.data);
	free(t.output.data);
	return k;
}

static int terminal_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			 struct pidspace_error *err)
{
	TerminalEnd m = TERMINAL_END__INIT;
	int index = index_of_file(f), k;

	*ret_body = (ProtobufCBinaryData){0};
	if (index < 0)
		return error_sys(err, index, "cannot tell which terminal %s is", f->link);
	if (!is_own(s, f)) {
		refuse_outside(s, f, "it is a terminal of the host");
		return 0;
	}
	k = terminal_save_once(s, f, (uint32_t)index, err);
	if (k < 0)
		return k;
	m.terminal = (uint32_t)index + 1;
	m.master = is_master(f);
	return message_pack(&m.base, ret_body, err);
}

const struct fd_kind terminal_kind = {
	.name = "terminal",
	.id = KIND_TERMINAL,
	.claims = terminal_claims,
	.save = terminal_save,
	.make = terminal_restore_make,
	.connect = terminal_restore_connect,
};
