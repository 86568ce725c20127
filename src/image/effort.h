#pragma once
/* How much of an image is compressed: as much as makes it ready sooner. Fewer bytes help where the sink (disk, pipe,
 * socket) is what all wait for; where it is not, compressing takes processors from reading and writing, unless one
 * has nothing to do. So an account is kept of time: what passes while the sink is waited for, or while a processor
 * is idle, is credit; what passes while all are busy, or while everybody waits for a compressor, is debit. What is
 * on the account decides which share of the blocks is compressed, the others are stored raw.
 *
 * There is nothing between raw and the first level of a compressor: the bytes that a second of processor time saves
 * are about the same at all of the fast levels, so that a faster one is no better than more raw blocks.
 *
 * Under the caller's lock; one account belongs to one writer. */
#include <stdbool.h>
#include <stdint.h>

#define EFFORT_FULL UINT64_C(10000000) /* ns on the account: every block is compressed */
#define EFFORT_MOST (EFFORT_FULL + EFFORT_FULL / 2)


struct effort {
	uint64_t account; /* ns, at most EFFORT_MOST */
	uint64_t owed;    /* what the decisions so far have left, in the same unit */

	/* Who is at work; effort_note() after any change. */
	unsigned cpus;
	unsigned lent;    /* buffers that callers fill */
	unsigned waiting; /* callers that wait for the writer */
	unsigned packing; /* blocks that workers compress, or will */
	bool writing;

	bool idle;        /* a processor has nothing to do, */
	uint64_t since;   /* CLOCK_MONOTONIC ns: since then, */
	uint64_t idle_ns; /* and had nothing to do for so long, ever */
};

/* Full, until something else is known. */
void effort_init(struct effort *e, unsigned cpus);

void effort_credit(struct effort *e, uint64_t ns);
void effort_debit(struct effort *e, uint64_t ns);

/* Is the next block to be compressed? Spreads them evenly. */
bool effort_wants(struct effort *e);

/* Somebody began or ended to work or to wait, at this time (effort_now()). */
void effort_note(struct effort *e, uint64_t now);
uint64_t effort_now(void);

/* What the calling thread, the one that writes, has done so far. */
struct effort_mark {
	uint64_t wall, cpu; /* ns */
	long sleeps;        /* it gave up the processor by itself, to wait for something */
	uint64_t idle_ns;
};
void effort_mark(const struct effort *e, struct effort_mark *ret);

/* ns between two marks in which the thread slept; what it only waited for a processor does not count. */
uint64_t effort_slept(const struct effort_mark *from, const struct effort_mark *to);

/* Between the two, the second taken right after it and before the lock, it wrote a block. */
void effort_wrote(struct effort *e, const struct effort_mark *from, const struct effort_mark *to);

/* Since then it waited for a caller, or for a compressor; and the sink has something to take all the same. */
void effort_waited(struct effort *e, const struct effort_mark *from, bool packing, bool sink_busy);
