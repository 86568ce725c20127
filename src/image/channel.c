#include "image/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AHEAD ((size_t)32 << 10)
/* After a skip: little is read between two skips, and each byte read ahead is one copied for nothing. */
#define AHEAD_LEAST ((size_t)1 << 10)
/* The default limit of an unprivileged pipe (pipe(7), pipe-max-size); with the usual 64 KiB the two sides
 * spend their time waking each other. */
#define PIPE_SIZE (1 << 20)

int channel_init(struct channel *c, int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	*c = (struct channel){.fd = fd, .asker = -1, .cancel = -1, .non_blocking = -1, .step = AHEAD};
	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	c->regular = S_ISREG(st.st_mode);
	c->socket = S_ISSOCK(st.st_mode);
	c->pipe = S_ISFIFO(st.st_mode);
	if (c->pipe && fcntl(fd, F_GETPIPE_SZ) < PIPE_SIZE)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	if (c->regular) {
		off_t at = lseek(fd, 0,
				 flags & O_APPEND && flags & (O_WRONLY | O_RDWR) ? SEEK_END
										 : SEEK_CUR);
		if (at < 0)
			return -errno;
		c->base = (uint64_t)at;
	}
	return 0;
}

void channel_done(struct channel *c)
{
	if (c->cancel >= 0)
		close(c->cancel);
	c->cancel = -1;
	if (c->non_blocking >= 0)
		close(c->non_blocking);
	c->non_blocking = -1;
	free(c->ahead);
	c->ahead = NULL;
}

int channel_make_cancellable(struct channel *c)
{
	if (c->cancel < 0)
		c->cancel = eventfd(0, EFD_CLOEXEC);
	return c->cancel < 0 ? -errno : 0;
}

void channel_cancel(struct channel *c)
{
	uint64_t one = 1;

	if (c->cancel >= 0 && write(c->cancel, &one, sizeof one) < 0) {
		/* Only a full counter can fail, and then it is readable already. */
	}
}

/* Waits until a transfer of some bytes will not block. A regular file never does. */
static int wait_ready(const struct channel *c, short events)
{
	struct pollfd p[3] = {{.fd = c->regular ? -1 : c->fd, .events = events}, {.fd = c->cancel, .events = POLLIN},
			      {.fd = c->asker, .events = POLLRDHUP}};

	if (c->regular && c->asker < 0)
		return 0;
	do {
		if (poll(p, 3, c->regular ? 0 : -1) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				return -errno;
			continue;
		}
		if (p[1].revents || p[2].revents)
			return -ECANCELED;
	} while (!p[0].revents && !c->regular);
	return 0;
}

/* A description of our own, whose flags are nobody else's. A pipe with a name knows no RWF_NOWAIT (fs/pipe.c fifo_open()). */
static int open_non_blocking(int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

/* One transfer, however short. On pipes and sockets it never blocks, so that a cancelled writer does not hang on a reader
 * that has stopped reading. */
static ssize_t write_some(struct channel *c, const struct iovec *iov, int n)
{
	ssize_t r;

	if (c->socket) {
		struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
		return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (!c->pipe)
		return writev(c->fd, iov, n);
	if (!c->no_nowait) {
		r = pwritev2(c->fd, iov, n, -1, RWF_NOWAIT);
		if (r >= 0 || (errno != EOPNOTSUPP && errno != EINVAL))
			return r;
		c->no_nowait = true;
		c->non_blocking = open_non_blocking(c->fd);
	}
	if (c->non_blocking >= 0)
		return writev(c->non_blocking, iov, n);
	/* A pipe that is ready has room for as much as this (pipe(7)); more would block in the middle. */
	return write(c->fd, iov->iov_base, iov->iov_len < PIPE_BUF ? iov->iov_len : PIPE_BUF);
}

static int write_all(struct channel *c, struct iovec *iov, size_t n)
{
	while (n) {
		if (!iov->iov_len) {
			iov++;
			n--;
			continue;
		}
		int r = wait_ready(c, POLLOUT);
		if (r < 0)
			return r;
		ssize_t done = write_some(c, iov, (int)(n < IOV_MAX ? n : IOV_MAX));
		if (done < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return -errno;
		}
		if (!done)
			return -EIO;
		c->pos += (uint64_t)done;
		for (size_t left = (size_t)done; left;) {
			size_t part = left < iov->iov_len ? left : iov->iov_len;
			iov->iov_base = (char *)iov->iov_base + part;
			iov->iov_len -= part;
			left -= part;
			if (!iov->iov_len) {
				iov++;
				n--;
			}
		}
	}
	return 0;
}

/* A broken pipe and a file beyond RLIMIT_FSIZE send a signal to the writing thread, whose default is
 * to kill (write(2), setrlimit(2)). It is blocked meanwhile and taken back, unless it was pending before. */
int channel_write(struct channel *c, struct iovec *iov, size_t n)
{
	const struct timespec now = {0};
	sigset_t ours, old, before, after;

	if (c->socket)
		return write_all(c, iov, n);
	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &ours, &old);
	sigpending(&before);
	int r = write_all(c, iov, n);
	if (r == -EPIPE || r == -EFBIG) {
		int sig = r == -EPIPE ? SIGPIPE : SIGXFSZ;
		sigpending(&after);
		sigemptyset(&ours);
		sigaddset(&ours, sig);
		if (!sigismember(&before, sig) && sigismember(&after, sig))
			while (sigtimedwait(&ours, NULL, &now) < 0 && errno == EINTR)
				;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r == 0 && c->sync ? write_behind(&c->behind, c->base + c->pos) : r;
}

const char *channel_advice(int status)
{
	switch (status) {
	case -ENOSPC:
	case -EDQUOT:
		return "; make room or write the image elsewhere";
	case -EPIPE:
	case -ECONNRESET:
		return "; whoever reads the image has gone";
	case -EFBIG:
		return "; raise the file size limit (ulimit -f)";
	default:
		return "";
	}
}

bool channel_busy(const struct channel *c)
{
	int n = 0;

	if (c->regular || ioctl(c->fd, c->socket ? SIOCOUTQ : FIONREAD, &n) < 0)
		return false;
	return n > 0;
}

void channel_sync_behind(struct channel *c)
{
	c->sync = c->regular;
	c->behind = (struct write_behind){.fd = c->fd, .begun = c->base, .awaited = c->base};
}

int channel_sync(struct channel *c)
{
	return c->sync ? write_behind_end(&c->behind) : 0;
}

static ssize_t read_some(struct channel *c, void *buf, size_t n)
{
	for (;;) {
		int r = wait_ready(c, POLLIN);
		if (r < 0)
			return r;
		ssize_t got = c->socket ? recv(c->fd, buf, n, MSG_DONTWAIT) : read(c->fd, buf, n);
		if (got >= 0)
			return got;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

ssize_t channel_read(struct channel *c, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t have = c->ahead_len - c->ahead_at, want = n - done;
		ssize_t got;

		if (have) {
			got = (ssize_t)(have < want ? have : want);
			memcpy((char *)buf + done, c->ahead + c->ahead_at, (size_t)got);
			c->ahead_at += (size_t)got;
		} else if (c->regular && want < AHEAD / 2 &&
			   (c->ahead || (c->ahead = malloc(AHEAD)))) {
			if (c->step < want)
				c->step = AHEAD;
			got = read_some(c, c->ahead, c->step);
			c->step = 2 * c->step < AHEAD ? 2 * c->step : AHEAD;
			c->ahead_at = 0;
			c->ahead_len = got > 0 ? (size_t)got : 0;
			if (got > 0)
				continue;
		} else {
			got = read_some(c, (char *)buf + done, want);
		}
		if (got < 0)
			return got;
		if (!got)
			break;
		done += (size_t)got;
	}
	c->pos += done;
	return (ssize_t)done;
}

int64_t channel_skip(struct channel *c, uint64_t n)
{
	uint64_t left = channel_left(c), have = c->ahead_len - c->ahead_at;

	if (n > left)
		n = left;
	if (n <= have) {
		c->ahead_at += n;
	} else {
		c->ahead_at = c->ahead_len = 0;
		c->step = AHEAD_LEAST;
		if (lseek(c->fd, (off_t)(n - have), SEEK_CUR) < 0)
			return -errno;
	}
	c->pos += n;
	return (int64_t)n;
}

uint64_t channel_left(const struct channel *c)
{
	struct stat st;

	if (!c->regular || fstat(c->fd, &st) < 0)
		return UINT64_MAX;
	uint64_t at = c->base + c->pos, size = (uint64_t)st.st_size;
	return size > at ? size - at : 0;
}
