#pragma once
/* The container id masked into the host pid: container_id << masked_bits | vpid.
 *
 * Conversion is arithmetic. What is left to keep is which numbers are in use, for a host pid that
 * looks like one of ours may be a stranger's: the kernel hands such numbers out to anybody. One
 * 16-byte entry a vpid, in which everything happens by one compare-and-swap; nothing can be half
 * done.
 *
 * It costs more elsewhere: every task must be made with its host pid chosen (clone3 set_tid:
 * CAP_CHECKPOINT_RESTORE in the user namespace that owns the PID namespace), a number that a
 * stranger sits on must be passed over (cancel it, reserve the next), and 22 bits hold 31
 * containers of 131,071 pids or so. */
#include "ids/pid_map_layout.h"

#define PID_MAP_MASKED_LEAST 10
#define PID_MAP_MASKED_MOST 20
#define PID_MAP_MASKED_USUAL 17 /* 131,071 pids in each of 31 containers */

#define PID_MAP_MASKED_CHUNKS PID_MAP_PAGE
#define PID_MAP_MASKED_ENTRIES (PID_MAP_MASKED_CHUNKS + 4096 * 4)
#define PID_MAP_MASKED_SIZE (PID_MAP_MASKED_ENTRIES + (16ULL << PID_MAP_MASKED_MOST))

static inline struct pid_map_entry *pid_map_masked_entry(const struct pid_map_header *m, uint32_t v)
{
	return (struct pid_map_entry *)pid_map_at(m, PID_MAP_MASKED_ENTRIES) + v;
}

static inline uint32_t *pid_map_masked_chunk(const struct pid_map_header *m, uint32_t v)
{
	return (uint32_t *)pid_map_at(m, PID_MAP_MASKED_CHUNKS) + v / (PID_MAP_PAGE / 16);
}

/* The entry's word of v, without touching pages that hold nothing. */
static inline uint64_t pid_map_masked_word(const struct pid_map_header *m, uint32_t v)
{
	if (v >> PID_MAP_MASKED_MOST || !pid_map_chunk_used(pid_map_masked_chunk(m, v)))
		return 0;
	return pid_map_load64(&pid_map_masked_entry(m, v)->word);
}

static inline uint32_t pid_map_masked_bits(const struct pid_map_header *m)
{
	return m->masked_bits & 31; /* whatever a guest wrote there, it can be shifted by */
}

static inline uint32_t pid_map_masked_wanted(const struct pid_map_header *m, uint32_t v)
{
	return ((uint32_t)m->container_id << pid_map_masked_bits(m) | v) & PID_MAP_NUMBER;
}

static inline uint32_t pid_map_masked_to_vpid(const struct pid_map_header *m, uint32_t h)
{
	uint32_t v = h & ((1U << pid_map_masked_bits(m)) - 1);

	return h == pid_map_masked_wanted(m, v) ? pid_map_word_vpid(pid_map_masked_word(m, v)) : 0;
}

static inline uint32_t pid_map_masked_to_hpid(const struct pid_map_header *m, uint32_t v)
{
	return pid_map_word_vpid(pid_map_masked_word(m, v)) ? pid_map_masked_wanted(m, v) : 0;
}

static inline uint32_t pid_map_masked_find_free(const struct pid_map_header *m, uint32_t from,
						uint32_t to)
{
	for (uint32_t v = from; v < to; v++)
		if (!pid_map_masked_word(m, v))
			return v;
	return 0;
}

static inline bool pid_map_masked_claim(struct pid_map_header *m, uint32_t owner, uint32_t v)
{
	if (v >> PID_MAP_MASKED_MOST)
		return false;
	pid_map_chunk_use(pid_map_masked_chunk(m, v));
	return pid_map_swap64(&pid_map_masked_entry(m, v)->word, 0,
			      PID_MAP_WORD_RESERVED | pid_map_word(0, 0, owner));
}

static inline bool pid_map_masked_clear(struct pid_map_header *m, uint32_t v,
					enum pid_map_state state, uint32_t number)
{
	uint64_t reserved = PID_MAP_WORD_RESERVED | pid_map_word(0, 0, number);

	return state == PID_MAP_RESERVED_BY && pid_map_masked_word(m, v) == reserved &&
	       pid_map_swap64(&pid_map_masked_entry(m, v)->word, reserved, 0);
}

static inline int pid_map_masked_bind(struct pid_map_header *m, uint32_t owner, uint32_t h,
				      uint32_t v)
{
	uint64_t seen = PID_MAP_WORD_RESERVED | pid_map_word(0, 0, owner);

	if (h != pid_map_masked_wanted(m, v))
		return PID_MAP_EINVAL;
	if (!pid_map_masked_word(m, v))
		return PID_MAP_ESTALE;
	if (pid_map_cas64(&pid_map_masked_entry(m, v)->word, &seen, pid_map_word(v, 0, 0)))
		pid_map_count(m, 1);
	else if (pid_map_word_vpid(seen) != v)
		return PID_MAP_ESTALE;
	return 0;
}

static inline bool pid_map_masked_release(struct pid_map_header *m, uint32_t h, uint32_t v)
{
	uint64_t w = pid_map_masked_word(m, v);

	if (h != pid_map_masked_wanted(m, v))
		return false;
	do {
		if (pid_map_word_vpid(w) != v)
			return false;
	} while (!pid_map_cas64(&pid_map_masked_entry(m, v)->word, &w, 0));
	if (!(pid_map_word_flags(w) & PID_MAP_FLAG_GONE))
		pid_map_count(m, -1);
	return true;
}

static inline enum pid_map_state pid_map_masked_state(const struct pid_map_header *m, uint32_t v,
						      uint32_t *ret)
{
	uint64_t w = pid_map_masked_word(m, v);

	*ret = w & PID_MAP_WORD_RESERVED ? pid_map_word_host(w)
	       : w                       ? pid_map_masked_wanted(m, v)
					 : 0;
	return w & PID_MAP_WORD_RESERVED ? PID_MAP_RESERVED_BY
	       : w                       ? PID_MAP_BOUND_TO
					 : PID_MAP_FREE;
}

static inline struct pid_map_entry *pid_map_masked_bound(const struct pid_map_header *m, uint32_t h,
							 uint32_t v)
{
	return h == pid_map_masked_wanted(m, v) && pid_map_word_vpid(pid_map_masked_word(m, v)) == v
		       ? pid_map_masked_entry(m, v)
		       : (struct pid_map_entry *)0;
}

static inline uint32_t pid_map_masked_next_used(const struct pid_map_header *m, uint32_t v)
{
	while (!(++v >> PID_MAP_MASKED_MOST)) {
		if (!pid_map_chunk_used(pid_map_masked_chunk(m, v)))
			v |= PID_MAP_PAGE / 16 - 1;
		else if (pid_map_masked_word(m, v))
			return v;
	}
	return 0;
}
