#include "kinds/terminal_queue.h"

#include <asm/termbits.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define END_OF_FILE 4     /* ^D, what VEOF is set to while lines are put back */
#define ARRIVAL_TRIES 500 /* of 2 ms: the kernel's worker carries bytes over (flush_to_ldisc()) */
#define MORE_MS 5

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1 && (p.revents & POLLIN);
}

static bool writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static int queued(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) < 0 ? 0 : n;
}

/* Reads what there is; the rest of a long queue follows after each read. fd may be blocking, and is
 * never read without FIONREAD having said that there is something. */
static int drain(int fd, ProtobufCBinaryData *ret)
{
	while (readable(fd, ret->len ? MORE_MS : 0)) {
		int n = queued(fd);
		if (n <= 0)
			break;
		uint8_t *grown = realloc(ret->data, ret->len + (size_t)n);
		if (!grown)
			return -ENOMEM;
		ret->data = grown;
		ssize_t k = read(fd, ret->data + ret->len, (size_t)n);
		if (k < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (k == 0)
			break;
		ret->len += (size_t)k;
	}
	return 0;
}

/* The settings under which bytes pass unchanged, lines staying lines where they are. IXON stays: taking
 * it away would start stopped output again (n_tty_set_termios()). */
static struct termios2 plain(const struct termios2 *now, bool lines)
{
	struct termios2 t = *now;

	t.c_iflag &= IXON;
	t.c_oflag &= ~(tcflag_t)OPOST;
	t.c_lflag = lines ? ICANON : 0;
	memset(t.c_cc, 0, sizeof t.c_cc); /* _POSIX_VDISABLE */
	if (lines)
		t.c_cc[VEOF] = END_OF_FILE;
	else
		t.c_cc[VMIN] = 1;
	return t;
}

/* How many bytes FIONREAD will count once all have arrived: of lines, complete ones without the marks
 * of end of file (inq_canon()). */
static int countable(const ProtobufCBinaryData *d, bool lines)
{
	int n = 0, at_line_end = 0;

	if (!lines)
		return (int)d->len;
	for (size_t i = 0; i < d->len; i++) {
		n += d->data[i] != END_OF_FILE;
		if (d->data[i] == END_OF_FILE || d->data[i] == '\n')
			at_line_end = n;
	}
	return at_line_end;
}

static void await_arrival(int slave, const ProtobufCBinaryData *d, bool lines)
{
	int want = countable(d, lines);

	for (int i = 0; i < ARRIVAL_TRIES; i++) {
		/* poll(2) carries over what waits, if nothing is readable yet (n_tty_poll()). */
		readable(slave, 0);
		if (queued(slave) >= want)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	/* A line that is only begun is not counted; behind complete ones it is carried over with them. */
	if (want && (size_t)want < d->len)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static int type_input(int master, int slave, const struct termios2 *now, ProtobufCBinaryData *input)
{
	bool lines = now->c_lflag & ICANON;
	struct termios2 t = plain(now, lines);

	if (!input->len)
		return 0;
	for (size_t i = 0; lines && i < input->len; i++) {
		if (!input->data[i])
			input->data[i] = END_OF_FILE;
	}
	if (ioctl(master, TCSETS2, &t) < 0)
		return -errno;
	ssize_t k = fd_write_all(master, input->data, input->len);
	await_arrival(slave, input, lines);
	if (ioctl(master, TCSETS2, now) < 0)
		return -errno;
	return k < 0 ? (int)k : 0;
}

static int write_output(int master, int slave, const struct termios2 *now,
			const ProtobufCBinaryData *output)
{
	struct termios2 t = *now;

	if (!output->len)
		return 0;
	t.c_oflag &= ~(tcflag_t)OPOST;
	if (ioctl(master, TCSETS2, &t) < 0)
		return -errno;
	ssize_t k = fd_write_all(slave, output->data, output->len);
	if (ioctl(master, TCSETS2, now) < 0)
		return -errno;
	return k < 0 ? (int)k : 0;
}

static int take_input(int master, int slave, const struct termios2 *now, ProtobufCBinaryData *ret)
{
	struct termios2 t = plain(now, false);
	int k, q;

	/* Without its newline a line is readable only while lines are off; switching that forgets where
	 * lines end, so all is read and typed anew. */
	if (ioctl(master, TCSETS2, &t) < 0)
		return -errno;
	k = drain(slave, ret);
	if (ioctl(master, TCSETS2, now) < 0)
		return -errno;
	q = type_input(master, slave, now, ret);
	return k < 0 ? k : q;
}

static int take_output(int master, int slave, const struct termios2 *now, ProtobufCBinaryData *ret)
{
	int packet = 0, off = 0, k, q;

	if (!writable(slave) || (readable(master, 0), !queued(master)))
		return 0;
	ioctl(master, TIOCGPKT, &packet);
	if (packet)
		ioctl(master, TIOCPKT, &off);
	k = drain(master, ret);
	q = write_output(master, slave, now, ret);
	if (packet)
		ioctl(master, TIOCPKT, &packet);
	return k < 0 ? k : q;
}

int terminal_queue_read(int master, int slave, ProtobufCBinaryData *ret_input,
			ProtobufCBinaryData *ret_output)
{
	struct termios2 now;
	int k, q;

	*ret_input = *ret_output = (ProtobufCBinaryData){0};
	if (ioctl(master, TCGETS2, &now) < 0)
		return -errno;
	if (now.c_lflag & EXTPROC) /* somebody else edits the lines */
		return 0;
	k = take_input(master, slave, &now, ret_input);
	q = take_output(master, slave, &now, ret_output);
	return k < 0 ? k : q;
}

int terminal_queue_write(int master, int slave, const ProtobufCBinaryData *input,
			 const ProtobufCBinaryData *output)
{
	ProtobufCBinaryData typed = *input;
	struct termios2 now;
	int k;

	if (!input->len && !output->len)
		return 0;
	if (ioctl(master, TCGETS2, &now) < 0)
		return -errno;
	k = write_output(master, slave, &now, output);
	return k < 0 ? k : type_input(master, slave, &now, &typed);
}
