#pragma once
/* Direct tables: the virtual number kept on the task.
 *
 * by_vpid   one 32-bit slot a vpid: free, reserved by a host task, or bound to a host pid
 * by_hpid   one 16-byte entry a host pid: the vpid and what else is known of the task
 *
 * A number is in use exactly when its slot in by_vpid says so; that one word decides every race. It
 * is bound when slot and entry name each other. A slot whose entry names another vpid, or none, is
 * stale: its task is gone, and it counts as free.
 *
 *   reserve   slot free -> reserved by the forking task
 *   bind      entry -> vpid, pending; slot reserved -> host pid: now it is visible; entry
 *             no longer pending
 *   release   entry -> nothing: now it is not visible any more; slot host pid -> free
 *
 * A process killed between any two steps leaves a reservation of a dead task or a stale slot; both
 * are found by whoever comes next (pid_map_sweep(), or the claim of the same number).
 *
 * A stopped process may sit between two steps for hours; what it does then is again a
 * compare-and-swap of the very value it saw, so it fails unless all is as it was. (It would be
 * deceived only if in the meantime the same host pid were given again and bound to the same vpid
 * again: both of 4 million.)
 *
 * Sparse: a page of either table is there only while something on it is in use, and until the next
 * pid_map_trim(): see the chunk words in pid_map_layout.h. */
#include "ids/pid_map_layout.h"

#define PID_MAP_DIRECT_VCHUNKS PID_MAP_PAGE
#define PID_MAP_DIRECT_HCHUNKS (PID_MAP_DIRECT_VCHUNKS + 4096 * 4)
#define PID_MAP_DIRECT_SLOTS (PID_MAP_DIRECT_HCHUNKS + 16384 * 4)
#define PID_MAP_DIRECT_ENTRIES (PID_MAP_DIRECT_SLOTS + 4 * (uint64_t)PID_MAP_CAPACITY)
#define PID_MAP_DIRECT_SIZE (PID_MAP_DIRECT_ENTRIES + 16 * (uint64_t)PID_MAP_CAPACITY)

#define PID_MAP_SLOT_RESERVED                                                                      \
	0x80000000U /* | host tid of the reserver; otherwise the host pid bound */

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

/* What the slot of v holds, without touching pages that hold nothing. */
static inline uint32_t pid_map_direct_look(const struct pid_map_header *m, uint32_t v)
{
	return pid_map_chunk_used(pid_map_direct_vchunk(m, v))
		       ? pid_map_load32(pid_map_direct_slot(m, v))
		       : 0;
}

static inline uint64_t pid_map_direct_word(const struct pid_map_header *m, uint32_t h)
{
	return pid_map_chunk_used(pid_map_direct_hchunk(m, h))
		       ? pid_map_load64(&pid_map_direct_entry(m, h)->word)
		       : 0;
}

/* Is slot, found as v's, left over from a task that is gone? */
static inline bool pid_map_direct_stale(const struct pid_map_header *m, uint32_t v, uint32_t slot)
{
	return slot && !(slot & PID_MAP_SLOT_RESERVED) &&
	       pid_map_word_vpid(pid_map_direct_word(m, slot & PID_MAP_NUMBER)) != v;
}

static inline uint32_t pid_map_direct_to_vpid(const struct pid_map_header *m, uint32_t h)
{
	uint64_t w = pid_map_direct_word(m, h);
	uint32_t v = pid_map_word_vpid(w);

	if ((pid_map_word_flags(w) & PID_MAP_FLAG_PENDING) && pid_map_direct_look(m, v) != h)
		v = 0;
	return v;
}

static inline uint32_t pid_map_direct_to_hpid(const struct pid_map_header *m, uint32_t v)
{
	uint32_t slot = pid_map_direct_look(m, v);

	if ((slot & PID_MAP_SLOT_RESERVED) || pid_map_direct_stale(m, v, slot))
		return 0;
	return slot & PID_MAP_NUMBER;
}

/* The lowest number in [from, to) with nothing in its slot; 0: none. */
static inline uint32_t pid_map_direct_unused(const struct pid_map_header *m, uint32_t from,
					     uint32_t to)
{
	for (uint32_t v = from; v < to; v++)
		if (!pid_map_direct_look(m, v))
			return v;
	return 0;
}

/* The lowest in [from, to) whose slot is stale; 0: none. Only asked when nothing is free: it reads
 * both tables of every number in use. */
static inline uint32_t pid_map_direct_reusable(const struct pid_map_header *m, uint32_t from,
					       uint32_t to)
{
	for (uint32_t v = from; v < to; v++)
		if (pid_map_direct_stale(m, v, pid_map_direct_look(m, v)))
			return v;
	return 0;
}

static inline uint32_t pid_map_direct_find_free(const struct pid_map_header *m, uint32_t from,
						uint32_t to)
{
	uint32_t v = pid_map_direct_unused(m, from, to);

	return v ? v : pid_map_direct_reusable(m, from, to);
}

/* Frees v, found to hold slot. counted: it was among pid_map_tasks(). */
static inline bool pid_map_direct_drop(struct pid_map_header *m, uint32_t v, uint32_t slot,
				       bool counted)
{
	bool cleared = pid_map_swap32(pid_map_direct_slot(m, v), slot, 0);

	if (cleared && counted)
		pid_map_count(m, -1);
	return cleared;
}

/* Takes v, if it is free, for the host task owner. */
static inline bool pid_map_direct_claim(struct pid_map_header *m, uint32_t owner, uint32_t v)
{
	uint32_t *chunk = pid_map_direct_vchunk(m, v), *slot = pid_map_direct_slot(m, v);
	uint32_t reserved = PID_MAP_SLOT_RESERVED | owner, c, seen;
	bool own = false;

	do {
		c = pid_map_chunk_use(chunk);
		seen = pid_map_load32(slot);
		if (own && seen == reserved)
			continue;
		if (pid_map_direct_stale(m, v, seen) && pid_map_direct_drop(m, v, seen, true))
			seen = 0;
		if (seen || !pid_map_cas32(slot, &seen, reserved))
			return false;
		own = true;
	} while (!pid_map_chunk_kept(chunk, c));
	return true;
}

/* Frees v, which an owner had or a task that is gone. */
static inline bool pid_map_direct_clear(struct pid_map_header *m, uint32_t v,
					enum pid_map_state state, uint32_t number)
{
	uint32_t slot = state == PID_MAP_RESERVED_BY ? PID_MAP_SLOT_RESERVED | number : number;

	return pid_map_direct_look(m, v) == slot &&
	       pid_map_direct_drop(m, v, slot, state == PID_MAP_LEFT_BY);
}

/* Writes v, pending, over whatever an earlier task left at h; returns what that was (0: nothing, or
 * it is v already). */
static inline uint64_t pid_map_direct_begin(struct pid_map_header *m, uint32_t h, uint32_t v)
{
	uint32_t *chunk = pid_map_direct_hchunk(m, h), c;
	uint64_t *word = &pid_map_direct_entry(m, h)->word, before = 0, w;

	do {
		c = pid_map_chunk_use(chunk);
		w = pid_map_load64(word);
		while (pid_map_word_vpid(w) != v)
			if (pid_map_cas64(word, &w, pid_map_word(v, PID_MAP_FLAG_PENDING, 0))) {
				before = w ? w : before;
				break;
			}
	} while (!pid_map_chunk_kept(chunk, c));
	return before;
}

static inline int pid_map_direct_bind(struct pid_map_header *m, uint32_t owner, uint32_t h,
				      uint32_t v)
{
	uint32_t was, old;
	uint32_t *slot = pid_map_direct_slot(m, v);
	uint32_t seen = pid_map_direct_look(m, v);
	struct pid_map_entry *e = pid_map_direct_entry(m, h);
	uint64_t before;

	if (seen == h && !pid_map_direct_stale(m, v, seen))
		return 0;
	if (seen != (PID_MAP_SLOT_RESERVED | owner))
		return PID_MAP_ESTALE;
	before = pid_map_direct_begin(m, h, v);
	if (pid_map_cas32(slot, &seen, h)) {
		pid_map_count(m, 1);
	} else if (seen != h) {
		/* The reservation went to someone else meanwhile; what was here before is still
		 * true. */
		pid_map_swap64(&e->word, pid_map_word(v, PID_MAP_FLAG_PENDING, 0), before);
		return PID_MAP_ESTALE;
	}
	old = pid_map_word_vpid(before);
	if (old)
		pid_map_direct_drop(m, old, h, !(pid_map_word_flags(before) & PID_MAP_FLAG_GONE));
	pid_map_entry_change(e, v, 0, PID_MAP_FLAG_PENDING, &was);
	return 0;
}

static inline bool pid_map_direct_release(struct pid_map_header *m, uint32_t h, uint32_t v)
{
	struct pid_map_entry *e = pid_map_direct_entry(m, h);
	uint64_t w = pid_map_direct_word(m, h);

	do {
		if (pid_map_word_vpid(w) != v)
			return false;
	} while (!pid_map_cas64(&e->word, &w, 0));
	/* Somebody who came upon it since may have freed it already. */
	pid_map_direct_drop(m, v, h, !(pid_map_word_flags(w) & PID_MAP_FLAG_GONE));
	return true;
}

static inline enum pid_map_state pid_map_direct_state(const struct pid_map_header *m, uint32_t v,
						      uint32_t *ret)
{
	uint32_t slot = pid_map_direct_look(m, v);

	*ret = slot & ~PID_MAP_SLOT_RESERVED;
	if (slot & PID_MAP_SLOT_RESERVED)
		return PID_MAP_RESERVED_BY;
	if (!slot)
		return PID_MAP_FREE;
	return pid_map_direct_stale(m, v, slot) ? PID_MAP_LEFT_BY : PID_MAP_BOUND_TO;
}

/* The entry of a number bound to host; NULL: none there. */
static inline struct pid_map_entry *pid_map_direct_bound(const struct pid_map_header *m, uint32_t h,
							 uint32_t v)
{
	return pid_map_word_vpid(pid_map_direct_word(m, h)) == v ? pid_map_direct_entry(m, h)
								 : (struct pid_map_entry *)0;
}

/* The lowest number above v that is not free, whatever it is; 0: none. */
static inline uint32_t pid_map_direct_next_used(const struct pid_map_header *m, uint32_t v)
{
	while (++v < PID_MAP_CAPACITY) {
		if (!pid_map_chunk_used(pid_map_direct_vchunk(m, v)))
			v |= PID_MAP_PAGE / 4 - 1;
		else if (pid_map_load32(pid_map_direct_slot(m, v)))
			return v;
	}
	return 0;
}
