#pragma once
/* A full hash both ways.
 *
 * Two hash tables, by vpid (8 bytes a slot) and by host pid (16-byte entries). A table is a row of
 * levels, each divided into buckets of eight; a number lies anywhere in its bucket of any level,
 * and goes to the lowest that has room. So nothing ever moves and there are no tombstones: a slot
 * is emptied by writing 0, and a look-up is one cache line or two for each level in use, the
 * largest first, which holds most.
 *
 * Because a number has many places, two processes could put it in two of them at once. For host
 * pids that does no harm: parent and child write the same, and the later place gives way. For vpids
 * exactly one may win, which is decided as Purcell and Harris do ("Non-blocking hashtables with
 * open addressing", 2005): enter the number as *trying*; turn every other *trying* of the same
 * number into *beaten*; give up if it is there as reserved or bound; then turn one's own from
 * trying to reserved, which fails if somebody beat it. Of two, the one that entered later sees the
 * other, so not both can win.
 *
 * Binding and releasing go as in pid_map_direct.h, through the pending flag and with slots that can
 * be stale. */
#include "ids/pid_map_layout.h"

enum pid_map_hash_table {
	PID_MAP_BY_VPID = 0,
	PID_MAP_BY_HPID = 1,
};

/* What a slot by vpid holds, in place of flags; its host pid is the owner's, or the one bound. */
enum pid_map_hash_state {
	PID_MAP_HASH_BEATEN = 1,
	PID_MAP_HASH_TRYING = 2,
	PID_MAP_HASH_RESERVED = 3,
	PID_MAP_HASH_BOUND = 4,
};

#define PID_MAP_HASH_LEVELS 8
#define PID_MAP_HASH_WAYS 8
/* Levels of 2^9, 2^12, 2^15, 2^18, 2^21 slots, then 2^22, and 2^20 and 2^16 for what found its
 * buckets full. */
#define PID_MAP_HASH_SLOTS (512 * 4681 + (1 << 22) + (1 << 20) + (1 << 16))
#define PID_MAP_HASH_SIZE (PID_MAP_PAGE + 24ULL * PID_MAP_HASH_SLOTS)

static inline uint32_t pid_map_hash_bits(uint32_t level)
{
	return level < 5 ? 9 + 3 * level : level == 5 ? 22 : level == 6 ? 20 : 16;
}

/* How many slots lie before a level: 512 times 1 + 8 + 64 + ..., as many digits as levels. */
static inline uint32_t pid_map_hash_before(uint32_t level)
{
	if (level <= 5)
		return 512 * (011111 & ((1U << 3 * level) - 1));
	return 512 * 4681 + (1 << 22) + (level >= 7 ? 1 << 20 : 0) + (level >= 8 ? 1 << 16 : 0);
}

static inline uint64_t *pid_map_hash_slot(const struct pid_map_header *m, enum pid_map_hash_table t,
					  uint64_t n)
{
	uint64_t by_hpid = PID_MAP_PAGE + 8 * (uint64_t)PID_MAP_HASH_SLOTS;

	return (uint64_t *)pid_map_at(m, t == PID_MAP_BY_VPID ? PID_MAP_PAGE + 8 * n
							      : by_hpid + 16 * n);
}

/* The first slot of key's bucket. Fibonacci hashing: numbers in a row spread evenly. */
static inline uint64_t *pid_map_hash_bucket(const struct pid_map_header *m,
					    enum pid_map_hash_table t, uint32_t level, uint32_t key)
{
	uint32_t bucket = key * 0x9e3779b1U >> (35 - pid_map_hash_bits(level));

	return pid_map_hash_slot(m, t, pid_map_hash_before(level) + bucket * PID_MAP_HASH_WAYS);
}

static inline uint64_t *pid_map_hash_way(uint64_t *bucket, enum pid_map_hash_table t, uint32_t way)
{
	return bucket + (t == PID_MAP_BY_VPID ? way : 2 * way);
}

static inline uint32_t pid_map_hash_levels(const struct pid_map_header *m,
					   enum pid_map_hash_table t)
{
	uint32_t n = pid_map_load32(&m->levels[t]);

	return n < PID_MAP_HASH_LEVELS ? n : PID_MAP_HASH_LEVELS;
}

static inline uint32_t pid_map_hash_key(enum pid_map_hash_table t, uint64_t w)
{
	return t == PID_MAP_BY_VPID ? pid_map_word_vpid(w) : pid_map_word_host(w);
}

/* The nth place of key that holds key, counted from *place on, which is left behind it; NULL: no
 * more. */
static inline uint64_t *pid_map_hash_each(const struct pid_map_header *m, enum pid_map_hash_table t,
					  uint32_t key, uint32_t *place, uint64_t *ret)
{
	uint32_t end = pid_map_hash_levels(m, t) * PID_MAP_HASH_WAYS;

	while (*place < end) {
		uint32_t level = (end - 1 - *place) / PID_MAP_HASH_WAYS;
		uint64_t *bucket = pid_map_hash_bucket(m, t, level, key);
		uint64_t *p = pid_map_hash_way(bucket, t, *place % PID_MAP_HASH_WAYS);

		++*place;
		*ret = pid_map_load64(p);
		if (pid_map_hash_key(t, *ret) == key)
			return p;
	}
	return (uint64_t *)0;
}

/* Where key is, and what is there; by vpid, what is only tried for doesn't count. NULL: nowhere. */
static inline uint64_t *pid_map_hash_find(const struct pid_map_header *m, enum pid_map_hash_table t,
					  uint32_t key, uint64_t *ret)
{
	for (uint32_t level = pid_map_hash_levels(m, t); level-- > 0;) {
		uint64_t *bucket = pid_map_hash_bucket(m, t, level, key);

		for (uint32_t way = 0; way < PID_MAP_HASH_WAYS; way++) {
			uint64_t *p = pid_map_hash_way(bucket, t, way);

			*ret = pid_map_load64(p);
			if (pid_map_hash_key(t, *ret) == key &&
			    (t == PID_MAP_BY_HPID ||
			     pid_map_word_flags(*ret) > PID_MAP_HASH_TRYING))
				return p;
		}
	}
	*ret = 0;
	return (uint64_t *)0;
}

/* Writes word into a free place of key, in the lowest level with one; NULL: there is none. */
static inline uint64_t *pid_map_hash_enter(struct pid_map_header *m, enum pid_map_hash_table t,
					   uint32_t key, uint64_t word)
{
	for (uint32_t level = 0; level < PID_MAP_HASH_LEVELS; level++) {
		uint64_t *bucket = pid_map_hash_bucket(m, t, level, key);
		uint32_t n = pid_map_load32(&m->levels[t]);

		while (n <= level && !pid_map_cas32(&m->levels[t], &n, level + 1))
			;
		for (uint32_t way = 0; way < PID_MAP_HASH_WAYS; way++) {
			uint64_t *p = pid_map_hash_way(bucket, t, way);

			if (!pid_map_load64(p) && pid_map_swap64(p, 0, word))
				return p;
		}
	}
	return (uint64_t *)0;
}

static inline uint32_t pid_map_hash_to_hpid(const struct pid_map_header *m, uint32_t v)
{
	uint64_t w, e;

	pid_map_hash_find(m, PID_MAP_BY_VPID, v, &w);
	if (pid_map_word_flags(w) != PID_MAP_HASH_BOUND)
		return 0;
	pid_map_hash_find(m, PID_MAP_BY_HPID, pid_map_word_host(w), &e);
	return pid_map_word_vpid(e) == v ? pid_map_word_host(w) : 0;
}

static inline bool pid_map_hash_is_bound(const struct pid_map_header *m, uint32_t v, uint32_t h)
{
	uint64_t w;

	pid_map_hash_find(m, PID_MAP_BY_VPID, v, &w);
	return w == pid_map_word(v, PID_MAP_HASH_BOUND, h);
}

static inline uint32_t pid_map_hash_to_vpid(const struct pid_map_header *m, uint32_t h)
{
	uint64_t w;

	pid_map_hash_find(m, PID_MAP_BY_HPID, h, &w);
	if ((pid_map_word_flags(w) & PID_MAP_FLAG_PENDING) &&
	    !pid_map_hash_is_bound(m, pid_map_word_vpid(w), h))
		return 0;
	return pid_map_word_vpid(w);
}

/* Is w, found as v's, left over from a task that is gone? */
static inline bool pid_map_hash_stale(const struct pid_map_header *m, uint32_t v, uint64_t w)
{
	uint64_t e;

	if (pid_map_word_flags(w) != PID_MAP_HASH_BOUND)
		return false;
	pid_map_hash_find(m, PID_MAP_BY_HPID, pid_map_word_host(w), &e);
	return pid_map_word_vpid(e) != v;
}

/* What v is, by the strongest word of it, and that word. */
static inline enum pid_map_state pid_map_hash_strongest(const struct pid_map_header *m, uint32_t v,
							uint64_t *ret)
{
	uint64_t w;

	*ret = 0;
	for (uint32_t place = 0; pid_map_hash_each(m, PID_MAP_BY_VPID, v, &place, &w);)
		if (pid_map_word_flags(w) > pid_map_word_flags(*ret))
			*ret = w;
	if (!*ret)
		return PID_MAP_FREE;
	if (pid_map_word_flags(*ret) != PID_MAP_HASH_BOUND)
		return PID_MAP_RESERVED_BY;
	return pid_map_hash_stale(m, v, *ret) ? PID_MAP_LEFT_BY : PID_MAP_BOUND_TO;
}

static inline enum pid_map_state pid_map_hash_state(const struct pid_map_header *m, uint32_t v,
						    uint32_t *ret)
{
	uint64_t w;
	enum pid_map_state state = pid_map_hash_strongest(m, v, &w);

	*ret = pid_map_word_host(w);
	return state;
}

static inline uint32_t pid_map_hash_find_free(const struct pid_map_header *m, uint32_t from,
					      uint32_t to)
{
	uint64_t w;

	for (uint32_t v = from; v < to; v++)
		if (!pid_map_hash_find(m, PID_MAP_BY_VPID, v, &w) || pid_map_hash_stale(m, v, w))
			return v;
	return 0;
}

/* Is v somebody's, apart from what lies at own? Takes what is left over away, and beats who tries.
 */
static inline bool pid_map_hash_taken(struct pid_map_header *m, uint32_t v, const uint64_t *own)
{
	uint64_t *p, w;

	for (uint32_t place = 0; (p = pid_map_hash_each(m, PID_MAP_BY_VPID, v, &place, &w));) {
		if (p == own)
			continue;
		if (pid_map_word_flags(w) == PID_MAP_HASH_TRYING)
			pid_map_swap64(p, w,
				       pid_map_word(v, PID_MAP_HASH_BEATEN, pid_map_word_host(w)));
		else if (pid_map_hash_stale(m, v, w)) {
			if (pid_map_swap64(p, w, 0))
				pid_map_count(m, -1);
		}
		w = pid_map_load64(p); /* a trying one may have got it just before we beat it */
		if (pid_map_hash_key(PID_MAP_BY_VPID, w) == v &&
		    pid_map_word_flags(w) > PID_MAP_HASH_TRYING)
			return true;
	}
	return false;
}

static inline bool pid_map_hash_claim(struct pid_map_header *m, uint32_t owner, uint32_t v)
{
	uint64_t trying = pid_map_word(v, PID_MAP_HASH_TRYING, owner);

	for (;;) {
		uint64_t *p = pid_map_hash_enter(m, PID_MAP_BY_VPID, v, trying);
		bool taken = !p || pid_map_hash_taken(m, v, p);

		if (!taken &&
		    pid_map_swap64(p, trying, pid_map_word(v, PID_MAP_HASH_RESERVED, owner)))
			return true;
		if (p && !pid_map_swap64(p, trying, 0))
			pid_map_swap64(p, pid_map_word(v, PID_MAP_HASH_BEATEN, owner), 0);
		if (taken)
			return false;
	}
}

static inline bool pid_map_hash_clear(struct pid_map_header *m, uint32_t v,
				      enum pid_map_state state, uint32_t number)
{
	bool done = false;
	uint64_t *p, w;

	for (uint32_t place = 0; (p = pid_map_hash_each(m, PID_MAP_BY_VPID, v, &place, &w));) {
		bool bound = pid_map_word_flags(w) == PID_MAP_HASH_BOUND;

		if (pid_map_word_host(w) != number || bound != (state == PID_MAP_LEFT_BY) ||
		    !pid_map_swap64(p, w, 0))
			continue;
		done = true;
		if (bound)
			pid_map_count(m, -1);
	}
	return done;
}

/* Leaves one entry of h, the one a look-up finds: the others say the same, or are from before. */
static inline void pid_map_hash_only(struct pid_map_header *m, uint32_t h)
{
	uint32_t place = 0;
	uint64_t *p, w;

	pid_map_hash_each(m, PID_MAP_BY_HPID, h, &place, &w);
	while ((p = pid_map_hash_each(m, PID_MAP_BY_HPID, h, &place, &w)))
		pid_map_swap64(p, w, 0);
}

/* Takes the entry of h away, if it is v's, and what an unfinished bind left beside it. True with
 * the flags it had: it was there. */
static inline bool pid_map_hash_forget(struct pid_map_header *m, uint32_t h, uint32_t v,
				       uint32_t *flags)
{
	bool done = false;
	uint64_t *p, w;

	for (uint32_t place = 0; (p = pid_map_hash_each(m, PID_MAP_BY_HPID, h, &place, &w));) {
		bool own = pid_map_word_vpid(w) == v;

		if (!own && ((pid_map_word_flags(w) & PID_MAP_FLAG_PENDING) ||
			     pid_map_hash_is_bound(m, pid_map_word_vpid(w), h)))
			continue;
		__atomic_store_n(&p[1], 0,
				 __ATOMIC_RELEASE); /* the start time, for the next one here */
		if (!pid_map_swap64(p, w, 0))
			place--; /* its flags changed: once more */
		else if (own && !done) {
			*flags = pid_map_word_flags(w);
			done = true;
		}
	}
	return done;
}

/* Writes v, pending, over whatever an earlier task left at h, or anew. What was there comes into
 * *before (0: nothing, or it is v already). False: all places are taken. */
static inline bool pid_map_hash_begin(struct pid_map_header *m, uint32_t h, uint32_t v,
				      uint64_t *before)
{
	uint64_t pending = pid_map_word(v, PID_MAP_FLAG_PENDING, h), w;

	for (;;) {
		uint64_t *p = pid_map_hash_find(m, PID_MAP_BY_HPID, h, &w);

		*before = 0;
		if (!p && !pid_map_hash_enter(m, PID_MAP_BY_HPID, h, pending))
			return false;
		if (!p || pid_map_word_vpid(w) == v)
			break;
		*before = w;
		if (pid_map_swap64(p, w, pending))
			break;
	}
	pid_map_hash_only(m, h);
	return true;
}

static inline struct pid_map_entry *pid_map_hash_bound(const struct pid_map_header *m, uint32_t h,
						       uint32_t v)
{
	uint64_t w;
	uint64_t *p = pid_map_hash_find(m, PID_MAP_BY_HPID, h, &w);

	return pid_map_word_vpid(w) == v ? (struct pid_map_entry *)p : (struct pid_map_entry *)0;
}

/* Frees v, whose task with the entry flags was at h. */
static inline void pid_map_hash_drop(struct pid_map_header *m, uint32_t v, uint32_t h,
				     uint32_t flags)
{
	if (pid_map_hash_clear(m, v, PID_MAP_LEFT_BY, h) && (flags & PID_MAP_FLAG_GONE))
		pid_map_count(m, 1); /* it had been counted off already */
}

static inline int pid_map_hash_bind(struct pid_map_header *m, uint32_t owner, uint32_t h,
				    uint32_t v)
{
	uint64_t reserved = pid_map_word(v, PID_MAP_HASH_RESERVED, owner), before, w;
	uint64_t *slot = pid_map_hash_find(m, PID_MAP_BY_VPID, v, &w);
	struct pid_map_entry *e;
	uint32_t was;

	if (w == pid_map_word(v, PID_MAP_HASH_BOUND, h) && !pid_map_hash_stale(m, v, w))
		return 0;
	if (w != reserved)
		return PID_MAP_ESTALE;
	if (!pid_map_hash_begin(m, h, v, &before))
		return PID_MAP_EAGAIN;
	if (pid_map_cas64(slot, &w, pid_map_word(v, PID_MAP_HASH_BOUND, h))) {
		pid_map_count(m, 1);
	} else if (w != pid_map_word(v, PID_MAP_HASH_BOUND, h)) {
		/* The reservation went to someone else meanwhile; what was here before is still
		 * true. */
		e = pid_map_hash_bound(m, h, v);
		if (e)
			pid_map_swap64(&e->word, pid_map_word(v, PID_MAP_FLAG_PENDING, h), before);
		return PID_MAP_ESTALE;
	}
	if (before)
		pid_map_hash_drop(m, pid_map_word_vpid(before), h, pid_map_word_flags(before));
	e = pid_map_hash_bound(m, h, v);
	if (e)
		pid_map_entry_change(e, v, 0, PID_MAP_FLAG_PENDING, &was);
	return 0;
}

static inline bool pid_map_hash_release(struct pid_map_header *m, uint32_t h, uint32_t v)
{
	uint32_t flags;

	if (!pid_map_hash_forget(m, h, v, &flags))
		return false;
	/* Somebody who came upon it since may have freed it already. */
	pid_map_hash_drop(m, v, h, flags);
	return true;
}

/* The lowest vpid above v in all of the table; 0: none. */
static inline uint32_t pid_map_hash_above(const struct pid_map_header *m, uint32_t v)
{
	uint32_t end = pid_map_hash_before(pid_map_hash_levels(m, PID_MAP_BY_VPID)), least = 0;

	for (uint32_t n = 0; n < end; n++) {
		uint32_t u =
			pid_map_word_vpid(pid_map_load64(pid_map_hash_slot(m, PID_MAP_BY_VPID, n)));

		if (u > v && (!least || u < least))
			least = u;
	}
	return least;
}

/* A hash knows no order: the numbers just above are asked for, then everything is looked through.
 */
static inline uint32_t pid_map_hash_next_used(const struct pid_map_header *m, uint32_t v)
{
	uint64_t w;

	for (uint32_t u = v + 1; u <= v + 64 && u < PID_MAP_CAPACITY; u++) {
		uint32_t place = 0;

		if (pid_map_hash_each(m, PID_MAP_BY_VPID, u, &place, &w))
			return u;
	}
	return pid_map_hash_above(m, v);
}
