#pragma once
/* Direct tables: the virtual number kept on the task.
 *
 * by_vpid   one 32-bit slot a vpid: free, reserved by a host task, or bound to a host pid
 * by_hpid   one 16-byte entry a host pid: the vpid and what else is known of the task
 *
 * A number is in use exactly when its slot in by_vpid says so; that one word decides every race. It
 * is bound when slot and entry name each other. A slot whose entry names another vpid, or none, is stale:
 * its task is gone, and it counts as free.
 *
 *   reserve   slot free -> reserved by the forking task
 *   bind      entry -> vpid, pending; slot reserved -> host pid (here it becomes visible); entry not pending
 *   release   entry -> nothing (here it ceases to be visible); slot host pid -> free
 *
 * A process killed between any two steps leaves a reservation of a dead task or a stale slot; both are
 * found by whoever comes next (pid_map_sweep(), or the claim of the same number).
 *
 * A stopped process may sit between two steps for hours; what it does then is again a compare-and-swap of
 * the very value it saw, so it fails unless all is as it was. (It would be deceived only if in the
 * meantime the same host pid were given again and bound to the same vpid again: both of 4 million.)
 *
 * Sparse: a page of either table is touched only once something in it was used. The chunk words say so,
 * for already reading a hole of a shared mapping allocates a page (shmem_fault). */
#include "ids/pid_map_layout.h"

#define PID_MAP_DIRECT_VCHUNKS PID_MAP_PAGE
#define PID_MAP_DIRECT_HCHUNKS (PID_MAP_DIRECT_VCHUNKS + 4096 * 4)
#define PID_MAP_DIRECT_SLOTS (PID_MAP_DIRECT_HCHUNKS + 16384 * 4)
#define PID_MAP_DIRECT_ENTRIES (PID_MAP_DIRECT_SLOTS + 4 * (uint64_t)PID_MAP_CAPACITY)
#define PID_MAP_DIRECT_SIZE (PID_MAP_DIRECT_ENTRIES + 16 * (uint64_t)PID_MAP_CAPACITY)

#define PID_MAP_SLOT_RESERVED 0x80000000U /* | host tid of the reserver; otherwise the host pid bound */

#define PID_MAP_CHUNK_USED 1U

static inline uint32_t *pid_map_direct_slot(const struct pid_map_header *m, uint32_t v)
{
	return (uint32_t *)pid_map_at(m, PID_MAP_DIRECT_SLOTS) + v;
}

static inline struct pid_map_entry *pid_map_direct_entry(const struct pid_map_header *m, uint32_t h)
{
	return (struct pid_map_entry *)pid_map_at(m, PID_MAP_DIRECT_ENTRIES) + h;
}

/* The chunk word of the page with v's slot. */
static inline uint32_t *pid_map_direct_vchunk(const struct pid_map_header *m, uint32_t v)
{
	return (uint32_t *)pid_map_at(m, PID_MAP_DIRECT_VCHUNKS) + v / (PID_MAP_PAGE / 4);
}

static inline uint32_t *pid_map_direct_hchunk(const struct pid_map_header *m, uint32_t h)
{
	return (uint32_t *)pid_map_at(m, PID_MAP_DIRECT_HCHUNKS) + h / (PID_MAP_PAGE / 16);
}

static inline void pid_map_direct_use(uint32_t *chunk)
{
	if (!(pid_map_load32(chunk) & PID_MAP_CHUNK_USED))
		__atomic_fetch_or(chunk, PID_MAP_CHUNK_USED, __ATOMIC_SEQ_CST);
}

/* What the slot of v holds, without touching pages that hold nothing. */
static inline uint32_t pid_map_direct_look(const struct pid_map_header *m, uint32_t v)
{
	return pid_map_load32(pid_map_direct_vchunk(m, v)) ? pid_map_load32(pid_map_direct_slot(m, v)) : 0;
}

static inline uint64_t pid_map_direct_word(const struct pid_map_header *m, uint32_t h)
{
	return pid_map_load32(pid_map_direct_hchunk(m, h)) ?
		       pid_map_load64(&pid_map_direct_entry(m, h)->word) : 0;
}

/* Is slot, found as v's, left over from a task that is gone? */
static inline bool pid_map_direct_stale(const struct pid_map_header *m, uint32_t v, uint32_t slot)
{
	return slot && !(slot & PID_MAP_SLOT_RESERVED) &&
	       pid_map_word_vpid(pid_map_direct_word(m, slot & (PID_MAP_CAPACITY - 1))) != v;
}

static inline struct vpid pid_map_direct_to_vpid(const struct pid_map_header *m, struct hpid h)
{
	uint64_t w = pid_map_direct_word(m, (uint32_t)h.n);
	uint32_t v = pid_map_word_vpid(w);

	if ((pid_map_word_flags(w) & PID_MAP_FLAG_PENDING) &&
	    pid_map_direct_look(m, v) != (uint32_t)h.n)
		v = 0;
	return vpid_of((int32_t)v);
}

static inline struct hpid pid_map_direct_to_hpid(const struct pid_map_header *m, struct vpid v)
{
	uint32_t slot = pid_map_direct_look(m, (uint32_t)v.n);

	if ((slot & PID_MAP_SLOT_RESERVED) || pid_map_direct_stale(m, (uint32_t)v.n, slot))
		slot = 0;
	return hpid_of((int32_t)(slot & (PID_MAP_CAPACITY - 1)));
}

/* The lowest number in [from, to) with nothing in its slot; 0: none. */
static inline uint32_t pid_map_direct_free(const struct pid_map_header *m, uint32_t from, uint32_t to)
{
	for (uint32_t v = from; v < to; v++)
		if (!pid_map_direct_look(m, v))
			return v;
	return 0;
}

/* The lowest in [from, to) whose slot is stale; 0: none. Only asked when nothing is free: it reads both
 * tables of every number in use. */
static inline uint32_t pid_map_direct_reusable(const struct pid_map_header *m, uint32_t from, uint32_t to)
{
	for (uint32_t v = from; v < to; v++)
		if (pid_map_direct_stale(m, v, pid_map_direct_look(m, v)))
			return v;
	return 0;
}

/* A stale slot is taken out of the count with the release it missed. */
static inline bool pid_map_direct_clear(struct pid_map_header *m, uint32_t v, uint32_t h, bool counted)
{
	bool cleared = pid_map_swap32(pid_map_direct_slot(m, v), h, 0);

	if (cleared && counted)
		pid_map_count(m, -1);
	return cleared;
}

/* Takes v, if it is free, for the host task owner. */
static inline bool pid_map_direct_claim(struct pid_map_header *m, struct hpid owner, uint32_t v)
{
	uint32_t *slot = pid_map_direct_slot(m, v), seen;

	pid_map_direct_use(pid_map_direct_vchunk(m, v));
	seen = pid_map_load32(slot);
	if (pid_map_direct_stale(m, v, seen) && pid_map_direct_clear(m, v, seen, true))
		seen = 0;
	return seen == 0 && pid_map_cas32(slot, &seen, PID_MAP_SLOT_RESERVED | (uint32_t)owner.n);
}

static inline bool pid_map_direct_cancel(struct pid_map_header *m, struct hpid owner, struct vpid v)
{
	uint32_t reserved = PID_MAP_SLOT_RESERVED | (uint32_t)owner.n;

	return pid_map_direct_look(m, (uint32_t)v.n) == reserved &&
	       pid_map_swap32(pid_map_direct_slot(m, (uint32_t)v.n), reserved, 0);
}

/* Writes v, pending, over whatever an earlier task left at h; returns what that was (0: nothing, or it
 * is v already). */
static inline uint64_t pid_map_direct_begin(struct pid_map_entry *e, uint32_t v)
{
	uint64_t w = pid_map_load64(&e->word);

	while (pid_map_word_vpid(w) != v)
		if (pid_map_cas64(&e->word, &w, pid_map_word(v, PID_MAP_FLAG_PENDING)))
			return w;
	return 0;
}

static inline int pid_map_direct_bind(struct pid_map_header *m, struct hpid owner, struct hpid host,
				      struct vpid pid)
{
	uint32_t v = (uint32_t)pid.n, h = (uint32_t)host.n, was, old;
	uint32_t *slot = pid_map_direct_slot(m, v);
	uint32_t seen = pid_map_direct_look(m, v);
	struct pid_map_entry *e = pid_map_direct_entry(m, h);
	uint64_t before;

	if (seen == h && !pid_map_direct_stale(m, v, seen))
		return 0;
	if (seen != (PID_MAP_SLOT_RESERVED | (uint32_t)owner.n))
		return PID_MAP_ESTALE;
	pid_map_direct_use(pid_map_direct_hchunk(m, h));
	before = pid_map_direct_begin(e, v);
	if (pid_map_cas32(slot, &seen, h)) {
		pid_map_count(m, 1);
	} else if (seen != h) {
		/* The reservation went to someone else meanwhile; what was here before is still true. */
		pid_map_swap64(&e->word, pid_map_word(v, PID_MAP_FLAG_PENDING), before);
		return PID_MAP_ESTALE;
	}
	old = pid_map_word_vpid(before);
	if (old)
		pid_map_direct_clear(m, old, h, !(pid_map_word_flags(before) & PID_MAP_FLAG_GONE));
	pid_map_entry_change(e, pid, 0, PID_MAP_FLAG_PENDING, &was);
	return 0;
}

static inline bool pid_map_direct_release(struct pid_map_header *m, struct hpid host, struct vpid pid)
{
	struct pid_map_entry *e = pid_map_direct_entry(m, (uint32_t)host.n);
	uint64_t w = pid_map_direct_word(m, (uint32_t)host.n);

	do {
		if (pid_map_word_vpid(w) != (uint32_t)pid.n)
			return false;
	} while (!pid_map_cas64(&e->word, &w, 0));
	return pid_map_direct_clear(m, (uint32_t)pid.n, (uint32_t)host.n,
				    !(pid_map_word_flags(w) & PID_MAP_FLAG_GONE));
}

static inline enum pid_map_state pid_map_direct_state(const struct pid_map_header *m, uint32_t v,
						      struct hpid *ret)
{
	uint32_t slot = pid_map_direct_look(m, v);

	*ret = hpid_of((int32_t)(slot & ~PID_MAP_SLOT_RESERVED));
	if (slot & PID_MAP_SLOT_RESERVED)
		return PID_MAP_RESERVED_BY;
	if (!slot)
		return PID_MAP_FREE;
	return pid_map_direct_stale(m, v, slot) ? PID_MAP_LEFT_BY : PID_MAP_BOUND_TO;
}

/* The lowest number above v that is not free, whatever it is; 0: none. */
static inline uint32_t pid_map_direct_next_used(const struct pid_map_header *m, uint32_t v)
{
	while (++v < PID_MAP_CAPACITY) {
		if (!pid_map_load32(pid_map_direct_vchunk(m, v)))
			v |= PID_MAP_PAGE / 4 - 1;
		else if (pid_map_load32(pid_map_direct_slot(m, v)))
			return v;
	}
	return 0;
}
