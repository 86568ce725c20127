#pragma once
/* Pages that were written while the tree still ran (frames EARLY_PAGES), and how frames of PAGES that
 * name them find their bytes. Of several copies of a page the one of the latest round counts.
 *
 * Life: frames are noted in the order of the stream, by one thread; the first early_fill() ends that, and
 * then any thread may call it. Bytes are read again where they lie (a regular file) or where they were put
 * aside (memory of our own, when the stream cannot be read twice), and checked each time. */
#include <pthread.h>

#include "base/vec.h"
#include "image/compress.h"
#include "image/format.h"

#define EARLY_CACHE 4 /* decoded frames that are kept */

struct early_run {
	uint64_t address, bytes; /* as in the frame: bit 0 of bytes says "zero" */
	uint64_t data_at;        /* in the decoded data */
};

struct early_frame {
	struct format_pages p;   /* space_id: of the tracked memory; phase: the round */
	uint64_t start, end;     /* addresses: everything lies between */
	uint64_t at, length;     /* of the payload, in `fd` */
	uint64_t number, offset; /* in the stream, for messages */
	uint32_t crc;
	size_t first_run;
};

struct early_round { /* frames of one memory and one round, sorted by address */
	uint32_t id, round;
	size_t first, n;
};

struct early_cached {
	enum { EARLY_EMPTY, EARLY_LOADING, EARLY_HERE } state;
	size_t frame;
	unsigned users;
	uint64_t used;           /* when, for choosing the one to give up */
	uint8_t *data, *in;      /* IMAGE_BLOCK each, allocated at first use; in: only when compressed */
};

struct early {
	const struct crc32c *crc;
	int fd;                  /* where payloads are read from; -1: none yet */
	bool own_fd;
	uint64_t aside;          /* bytes put aside */
	VEC(struct early_frame) frames;
	VEC(struct early_run) runs;
	VEC(struct early_round) rounds; /* once sealed, sorted by id and round */
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	bool sealed;
	uint64_t clock;
	struct early_cached cache[EARLY_CACHE];
};

/* NULL: no memory. crc is borrowed. */
struct early *early_new(const struct crc32c *crc);
void early_free(struct early *e);

/* Notes a frame whose payload begins with `lead` (fixed part and runs, at least). at: where the payload lies
 * in the regular file fd. A sentence that says what is wrong, or NULL. Not believed before it is used. */
const char *early_note(struct early *e, const struct format_head *h, const uint8_t *lead, uint64_t number,
		       uint64_t offset, int fd, uint64_t at);
/* The same for a stream that cannot be read twice: the whole payload is put aside. */
const char *early_put_aside(struct early *e, const struct format_head *h, const uint8_t *payload,
			    uint64_t number, uint64_t offset);

/* Fills out with the bytes of [address, address + bytes) of tracked memory `id`, without what is zero, and
 * appends to runs[*n] (room for FORMAT_MAX_RUNS) what lies where. *out moves on. A sentence, or NULL. */
const char *early_fill(struct early *e, uint32_t id, uint64_t address, uint64_t bytes, uint8_t **out,
		       struct image_page_run *runs, size_t *n, struct compress_state *state);
