#pragma once
/* Bytes of a file go to its disk while more of them are written: the disk works from the beginning, little is left
 * for the end, and whoever writes feels how fast it is, because no more than WRITE_BEHIND_AHEAD bytes are ahead
 * of it. Of a file that has no disk (tmpfs) nothing of this costs anything. */
#include <stdint.h>

#define WRITE_BEHIND_AHEAD ((uint64_t)32 << 20)

struct write_behind {
	int fd;           /* borrowed */
	uint64_t begun;   /* bytes before this are on their way */
	uint64_t awaited; /* ... and before this are there */
};

/* Everything before `end` has been written, in order. -errno: the disk has failed (EIO, ENOSPC, EDQUOT); it is said
 * once, and not again by write_behind_end(). */
int write_behind(struct write_behind *b, uint64_t end);

/* Waits until all of it is on the disk: the bytes and what is needed to find them. -errno of fdatasync(2). */
int write_behind_end(struct write_behind *b);
