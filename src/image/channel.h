#pragma once
/* One end of the stream: a borrowed descriptor of a file, pipe or socket, read or written front to
 * back. It is never read beyond what was asked for, except when it is a regular file: on a socket the
 * two sides talk on after the image. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "image/write_behind.h"

struct channel {
	int fd;
	bool regular, socket, pipe;
	bool no_nowait;   /* RWF_NOWAIT is not to be had here */
	int non_blocking; /* owned: the same pipe, opened anew, where it is not; -1: none */
	bool sync;        /* writing (regular): bytes go to the disk at once */
	struct write_behind behind;
	int asker;        /* borrowed; when it hangs up, writing gives up likewise. -1: none */
	int cancel;       /* eventfd, owned; readable: whoever waits gives up with -ECANCELED. -1: none */
	uint64_t base;    /* offset in the file (regular) of the stream's first byte */
	uint64_t pos;     /* bytes of the stream that have passed */
	uint8_t *ahead;   /* reading a regular file: what was read but not asked for yet */
	size_t ahead_at, ahead_len;
	size_t step;      /* how much is read ahead next */
};

int channel_init(struct channel *c, int fd);
void channel_done(struct channel *c);

/* Lets channel_cancel() interrupt a thread that waits in the calls below. -errno. */
int channel_make_cancellable(struct channel *c);
void channel_cancel(struct channel *c);

/* Writes everything; consumes iov. Neither SIGPIPE nor SIGXFSZ is left behind: -EPIPE, -EFBIG.
 * Any other -errno of writev(2) as well. */
int channel_write(struct channel *c, struct iovec *iov, size_t n);

/* What to do about a failure to write: "; ..." or nothing. */
const char *channel_advice(int status);

/* Has the other side of a pipe or socket still something to take? Of anything else nobody knows: false. */
bool channel_busy(const struct channel *c);

/* Of a regular file: what is written from now on goes to its disk at once, and channel_sync() waits until all of
 * it is there: -errno of fdatasync(2). Elsewhere neither does anything. */
void channel_sync_behind(struct channel *c);
int channel_sync(struct channel *c);

/* Reads n bytes, or what is there before the end; or -errno. */
ssize_t channel_read(struct channel *c, void *buf, size_t n);

/* Passes over n bytes of a regular file, at most to its end; the bytes passed, or -errno. */
int64_t channel_skip(struct channel *c, uint64_t n);

/* Bytes left in a regular file; UINT64_MAX when nobody knows. */
uint64_t channel_left(const struct channel *c);
