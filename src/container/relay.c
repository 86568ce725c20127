#include "container/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"

#define BUFFER ((size_t)64 << 10)

/* A description of our own for the same pipe or terminal, non-blocking; *fd is replaced by it. Where
 * that is refused the caller's stays and is used with care. */
static bool reopen(int *fd, int flags)
{
	char path[64];
	struct stat st;
	int own;

	if (fstat(*fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(*fd))))
		return false;
	snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return false;
	close(*fd);
	*fd = own;
	return true;
}

static void make_nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int relay_add(struct relay *r, int from, int to, enum relay_direction d)
{
	struct channel *c = vec_push(&r->channels);
	struct stat st;

	if (c)
		c->buf = malloc(BUFFER);
	if (!c || !c->buf) {
		close(from);
		close(to);
		if (c)
			r->channels.n--;
		return -ENOMEM;
	}
	c->in = d == RELAY_IN;
	if (c->in) {
		reopen(&from, O_RDONLY);
		make_nonblock(to);
		c->to_nonblock = true;
	} else {
		make_nonblock(from);
		c->to_nonblock = reopen(&to, O_WRONLY);
	}
	c->from = from;
	c->to = to;
	c->to_socket = fstat(to, &st) == 0 && S_ISSOCK(st.st_mode);
	return 0;
}

static void source_ended(struct channel *c)
{
	fd_closep(&c->from);
	if (c->len == 0)
		fd_closep(&c->to);
}

static void destination_ended(struct channel *c)
{
	fd_closep(&c->to);
	fd_closep(&c->from);
	c->len = 0;
}

static void fill(struct channel *c)
{
	ssize_t k = read(c->from, c->buf, BUFFER);

	if (k > 0) {
		c->at = 0;
		c->len = (size_t)k;
	} else if (k == 0 || (errno != EAGAIN && errno != EINTR))
		source_ended(c);
}

/* What may be written at once without blocking the whole monitor: poll(2) promises PIPE_BUF bytes of
 * room in a pipe; regular files take anything. */
static ssize_t put(struct channel *c)
{
	struct stat st;
	size_t n = c->len;

	if (c->to_socket)
		return send(c->to, c->buf + c->at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!c->to_nonblock && n > PIPE_BUF && fstat(c->to, &st) == 0 && !S_ISREG(st.st_mode))
		n = PIPE_BUF;
	return write(c->to, c->buf + c->at, n);
}

static void flush(struct channel *c)
{
	ssize_t k = put(c);

	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k < 0) {
		destination_ended(c);
		return;
	}
	c->at += (size_t)k;
	c->len -= (size_t)k;
	if (c->len == 0 && c->from < 0)
		fd_closep(&c->to);
}

size_t relay_poll(const struct relay *r, struct pollfd *p)
{
	size_t n = 0;

	vec_each(c, &r->channels) {
		bool full = c->len > 0;

		/* fd -1 is skipped by poll(2) and keeps the places fixed */
		p[n++] = (struct pollfd){.fd = full ? -1 : c->from, .events = POLLIN};
		/* With nothing to write only the reader's end is of interest (POLLERR). */
		p[n++] = (struct pollfd){.fd = c->to, .events = full ? POLLOUT : 0};
	}
	return n;
}

void relay_handle(struct relay *r, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < r->channels.n && 2 * i + 1 < n; i++) {
		struct channel *c = &r->channels.at[i];

		if (p[2 * i].revents && c->from >= 0)
			fill(c);
		if (c->len > 0 && c->to >= 0)
			flush(c);
		else if ((p[2 * i + 1].revents & (POLLERR | POLLNVAL)) && c->to >= 0)
			destination_ended(c);
	}
}

/* All writers are dead, so what can be read now is all there will ever be. */
static void drain(struct channel *c)
{
	while (c->to >= 0) {
		struct pollfd p = {.fd = c->to, .events = POLLOUT};

		if (c->len == 0) {
			ssize_t k = c->from < 0 ? 0 : read(c->from, c->buf, BUFFER);

			if (k <= 0)
				break;
			c->at = 0;
			c->len = (size_t)k;
		}
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			break;
		flush(c);
	}
}

void relay_drain(struct relay *r)
{
	vec_each(c, &r->channels)
		if (!c->in)
			drain(c);
}

void relay_done(struct relay *r)
{
	vec_each(c, &r->channels) {
		fd_closep(&c->from);
		fd_closep(&c->to);
		free(c->buf);
	}
	vec_free(&r->channels);
}
