#include "image/write_behind.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define STEP ((uint64_t)4 << 20)

/* A hint: where it cannot be had, write_behind_end() does all of it (sync_file_range(2): ESPIPE, EINVAL). */
static int range(int fd, uint64_t from, uint64_t to, unsigned flags)
{
	if (sync_file_range(fd, (off_t)from, (off_t)(to - from), flags) == 0)
		return 0;
	return errno == EIO || errno == ENOSPC || errno == EDQUOT ? -errno : 0;
}

int write_behind(struct write_behind *b, uint64_t end)
{
	/* The last, partly filled page would have to be written twice. */
	uint64_t to = end / STEP * STEP;
	int r;

	if (to <= b->begun)
		return 0;
	r = range(b->fd, b->begun, to, SYNC_FILE_RANGE_WRITE);
	b->begun = to;
	if (r < 0 || to <= b->awaited + WRITE_BEHIND_AHEAD)
		return r;
	r = range(b->fd, b->awaited, to - WRITE_BEHIND_AHEAD, SYNC_FILE_RANGE_WAIT_BEFORE);
	b->awaited = to - WRITE_BEHIND_AHEAD;
	return r;
}

int write_behind_end(struct write_behind *b)
{
	int r;

	do
		r = fdatasync(b->fd);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}
