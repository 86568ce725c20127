#pragma once
/* How a pid map lies in memory: the header, which every kind has, and the few words of atomics all
 * kinds are written in. Nothing here points anywhere; everything is found by its distance from the
 * header, so a map can be looked at wherever it is mapped, also read-only.
 *
 * Freestanding: included by code that runs inside foreign processes without libc, thread-local
 * storage, vector registers or relocations. */
#include <stdbool.h>
#include <stdint.h>

#include "ids/domains.h"

#define PID_MAP_MAGIC 0x70616d6469707670ULL /* "pvpidmap" */
#define PID_MAP_VERSION 1

/* The kernel's limits (include/linux/threads.h, kernel/pid.c). */
#define PID_MAP_CAPACITY 4194304 /* PID_MAX_LIMIT: pids on either side are below it, 22 bits */
#define PID_MAP_RESERVED 300     /* RESERVED_PIDS: numbers below are given in the first lap only */

#define PID_MAP_PAGE 4096

enum pid_map_kind {
	PID_MAP_DIRECT = 1, /* pid_map_direct.h */
	PID_MAP_HASH = 2,   /* pid_map_hash.h */
	PID_MAP_MASKED = 3, /* pid_map_masked.h */
};

/* -errno, without errno.h. pid_map_file.c compares them with the real ones. */
enum pid_map_error {
	PID_MAP_ESRCH = -3,
	PID_MAP_EAGAIN = -11,
	PID_MAP_ENOMEM = -12,
	PID_MAP_EEXIST = -17,
	PID_MAP_EINVAL = -22,
	PID_MAP_ESTALE = -116,
};

/* Header flags. */
#define PID_MAP_DYING 1U /* init is gone: no number is handed out any more */

/* The first page. What isn't marked atomic is written before the map is shared and never again. */
struct pid_map_header {
	uint64_t magic;
	uint32_t version;
	uint32_t kind;         /* enum pid_map_kind */
	uint64_t size;         /* bytes, header included */
	uint64_t container_id; /* the owner's name for the container */
	uint32_t masked_bits;  /* masked only: a host pid is container_id << masked_bits | vpid */
	uint32_t spare;
	uint32_t pid_max;   /* atomic; numbers handed out are below it, as kernel.pid_max says */
	uint32_t cursor;    /* atomic; where the search for the next number begins, as idr_next */
	uint32_t flags;     /* atomic; PID_MAP_DYING */
	uint32_t tasks;     /* atomic; see pid_map_tasks() */
	uint32_t levels[2]; /* atomic; hash only: levels in use, of each table */
};

_Static_assert(sizeof(struct pid_map_header) <= PID_MAP_PAGE, "the header is one page");

/* What is known of one bound number. The fields of word change together; start names the vpid it
 * was written for, so that one left by an earlier task is not believed.
 *
 *   word   bits 0-21 vpid, 22-37 flags, 38-59 host pid (where the place of the entry does not tell
 *          it), 63 reserved (masked only: the host pid is the owner's); 0: nothing there
 *   start  bits 0-21 vpid, 22-63 start time of the task */
struct pid_map_entry {
	uint64_t word;  /* atomic */
	uint64_t start; /* atomic */
};

#define PID_MAP_NUMBER (PID_MAP_CAPACITY - 1U) /* the 22 bits of a pid */
#define PID_MAP_WORD_RESERVED (1ULL << 63)

/* Entry flags, 16 of them. Those from PID_MAP_FLAG_USER on are the caller's. */
#define PID_MAP_FLAG_PENDING (1U << 0) /* the map's own: half of a bind; ask the other table */
#define PID_MAP_FLAG_GONE (1U << 1)    /* the task was reaped; its number is a group or session */
#define PID_MAP_FLAG_USER (1U << 2)
#define PID_MAP_FLAGS 0xffffU

/* What a number is, as pid_map_look() tells it. */
enum pid_map_state {
	PID_MAP_FREE,
	PID_MAP_RESERVED_BY, /* number: the host tid of the owner, 0: nobody's */
	PID_MAP_BOUND_TO,    /* number: the host pid */
	PID_MAP_LEFT_BY,     /* stale; number: the host pid of a task that is gone */
};

/* The atomics. Sequentially consistent where something is claimed: correctness never hangs on a
 * weaker order, and on x86-64 a locked instruction is a full barrier anyway. */

static inline uint32_t pid_map_load32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline uint64_t pid_map_load64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Replaces *p when it is *seen; otherwise tells in *seen what is there. */
static inline bool pid_map_cas32(uint32_t *p, uint32_t *seen, uint32_t to)
{
	return __atomic_compare_exchange_n(p, seen, to, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

static inline bool pid_map_cas64(uint64_t *p, uint64_t *seen, uint64_t to)
{
	return __atomic_compare_exchange_n(p, seen, to, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

/* The same for those who need not know what was there instead. */
static inline bool pid_map_swap32(uint32_t *p, uint32_t from, uint32_t to)
{
	return pid_map_cas32(p, &from, to);
}

static inline bool pid_map_swap64(uint64_t *p, uint64_t from, uint64_t to)
{
	return pid_map_cas64(p, &from, to);
}

/* Address in the map. The map's constness is the caller's: a reader only loads through it. */
static inline void *pid_map_at(const struct pid_map_header *m, uint64_t offset)
{
	return (void *)((uintptr_t)m + offset);
}

static inline bool pid_map_in_range(int32_t n)
{
	return (uint32_t)n - 1 < PID_MAP_CAPACITY - 1;
}

static inline uint32_t pid_map_word_vpid(uint64_t word)
{
	return (uint32_t)word & PID_MAP_NUMBER;
}

static inline uint32_t pid_map_word_flags(uint64_t word)
{
	return (uint32_t)(word >> 22) & PID_MAP_FLAGS;
}

static inline uint32_t pid_map_word_host(uint64_t word)
{
	return (uint32_t)(word >> 38) & PID_MAP_NUMBER;
}

static inline uint64_t pid_map_word(uint32_t vpid, uint32_t flags, uint32_t host)
{
	return (uint64_t)host << 38 | (uint64_t)flags << 22 | vpid;
}

/* Changes the flags of an entry while it belongs to v. 0 with the flags before in *was, or -ESRCH.
 */
static inline int pid_map_entry_change(struct pid_map_entry *e, uint32_t v, uint32_t set,
				       uint32_t clear, uint32_t *was)
{
	uint64_t w = pid_map_load64(&e->word);

	do {
		if (pid_map_word_vpid(w) != v)
			return PID_MAP_ESRCH;
		*was = pid_map_word_flags(w);
	} while (
		!pid_map_cas64(&e->word, &w, (w & ~((uint64_t)clear << 22)) | (uint64_t)set << 22));
	return 0;
}

/* Tables that are to stay sparse have a chunk word for each of their pages. It is asked first
 * whether the page holds anything, for already reading a hole of a shared mapping allocates a page
 * (shmem_fault()).
 *
 * Pages that hold nothing any more are given back by pid_map_trim(): used -> closing; if all on the
 * page is still 0, closing -> punching; the page is removed; -> a hole, with the next generation.
 * Whoever writes into a place that was 0 calls pid_map_chunk_use() before, and asks
 * pid_map_chunk_kept() after it: if the word has changed, what was written may have gone with the
 * page, and it has to look again. Closing is called off by any writer; punching, two microseconds
 * of the warden's, is waited for (were the warden dead, so were the container). */
enum pid_map_chunk {
	PID_MAP_CHUNK_USED = 1,
	PID_MAP_CHUNK_CLOSING = 2, /* with USED */
	PID_MAP_CHUNK_PUNCHING = 4,
	PID_MAP_CHUNK_GENERATION = 8, /* and all bits above */
};

static inline bool pid_map_chunk_used(const uint32_t *chunk)
{
	return pid_map_load32(chunk) & PID_MAP_CHUNK_USED;
}

static inline uint32_t pid_map_chunk_use(uint32_t *chunk)
{
	uint32_t c = pid_map_load32(chunk), to;

	for (;;) {
		if ((c & (PID_MAP_CHUNK_USED | PID_MAP_CHUNK_CLOSING)) == PID_MAP_CHUNK_USED)
			return c;
		if (c & PID_MAP_CHUNK_PUNCHING) {
			__builtin_ia32_pause();
			c = pid_map_load32(chunk);
			continue;
		}
		to = c & PID_MAP_CHUNK_CLOSING
			     ? c - PID_MAP_CHUNK_CLOSING + PID_MAP_CHUNK_GENERATION
			     : c | PID_MAP_CHUNK_USED;
		pid_map_cas32(chunk, &c, to);
	}
}

/* Is all that was written since pid_map_chunk_use() gave c still there? */
static inline bool pid_map_chunk_kept(const uint32_t *chunk, uint32_t c)
{
	return __atomic_load_n(chunk, __ATOMIC_SEQ_CST) == c;
}

static inline void pid_map_count(struct pid_map_header *m, int by)
{
	__atomic_fetch_add(&m->tasks, (uint32_t)by, __ATOMIC_RELAXED);
}
