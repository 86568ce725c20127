/* Waiting for a robust mutex that processes share, whose owner may be killed.
 *
 * The kernel goes through the list of the locks that a task holds when it ends, and marks those whose word names it
 * (kernel/futex/core.c exit_robust_list()). In the words are the container's numbers, so it marks none; who ends by its own
 * will does it himself (exits.c), but the killed do nothing. What they leave is found by whoever waits for the lock: a shared
 * FUTEX_WAIT whose expected value is that of a held robust mutex is trapped. That the word is one's, and not somebody's
 * counter, the waiter itself says: before it waits, libc has entered the lock as its own pending operation.
 *
 * If the owner is dead, the word is left as the kernel would have left it. If it lives, the waiter sleeps on two words
 * (futex_waitv(2)): the mutex's, and one that the warden counts up when the owner ends. */
#include "virtual/shim/map.h"
#include "virtual/shim/trap.h"

#include <linux/futex.h>
#include <linux/time.h>

#define WAIT_REALTIME (FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME)
#define SLICE_NS 100000000 /* where the kernel or the warden cannot tell us */

struct wait {
	uint32_t *word, held; /* its value while nothing happens */
	int clock;
	bool timed;
	struct timespec until;
};

static bool is_robust(const struct trap *t)
{
	uint64_t word = (uint64_t)t->arg[0];
	struct robust_list_head *head = 0;
	unsigned long len;

	if ((word & 3) || CALL3(__NR_get_robust_list, 0, &head, &len) < 0 || !guest_readable(head, sizeof *head) ||
	    !head->list_op_pending)
		return false;
	/* The lowest bit says that the lock is a PI one. */
	return ((uint64_t)head->list_op_pending & ~1ul) + (uint64_t)head->futex_offset == word &&
	       guest_readable((void *)word, sizeof(uint32_t));
}

#define NS 1000000000

/* When the call's time is over; false: the kernel shall say what is wrong with it. */
static bool deadline(const struct trap *t, struct wait *w)
{
	const struct timespec *given = (const void *)t->arg[3];
	struct timespec now;

	if (t->arg[1] != FUTEX_WAIT && (uint32_t)t->arg[5] != FUTEX_BITSET_MATCH_ANY)
		return false;
	w->clock = t->arg[1] == WAIT_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	w->timed = given;
	if (!given)
		return true;
	if (!guest_readable(given, sizeof *given))
		return false;
	w->until = *given;
	if (w->until.tv_sec < 0 || (unsigned long)w->until.tv_nsec >= NS)
		return false;
	if (t->arg[1] == FUTEX_WAIT) {
		if (w->until.tv_sec > INT32_MAX)
			return false;
		CALL2(__NR_clock_gettime, w->clock, &now);
		w->until.tv_sec += now.tv_sec + (w->until.tv_nsec + now.tv_nsec) / NS;
		w->until.tv_nsec = (w->until.tv_nsec + now.tv_nsec) % NS;
	}
	return true;
}

/* --- the owner --- */

enum owner { DEAD, ALIVE, UNKNOWN };

static const struct shim_watch *watched(int host, uint32_t *ret_deaths)
{
	const struct shim_watch *all = common()->watches;

	for (int i = 0; i < SHIM_WATCHES; i++) {
		if (__atomic_load_n(&all[i].host, __ATOMIC_ACQUIRE) != host)
			continue;
		*ret_deaths = __atomic_load_n(&all[i].deaths, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&all[i].host, __ATOMIC_ACQUIRE) == host)
			return &all[i];
	}
	return 0;
}

/* A number that was never given to anybody here is not dead: the word may lie in a file that the host uses too. */
static enum owner look_at(int vpid, const struct shim_watch **ret, uint32_t *ret_deaths)
{
	int host = ids_host(vpid);
	long e;

	*ret = 0;
	if (!host)
		return (uint32_t)vpid < pid_map_load32(&map()->cursor) ? DEAD : UNKNOWN;
	if ((*ret = watched(host, ret_deaths)))
		return ALIVE;
	e = shim_ring(ASK_WATCH, 0, host, 0);
	if (e == -ESRCH)
		return DEAD;
	if (e >= 0)
		*ret = watched(host, ret_deaths);
	return *ret ? ALIVE : UNKNOWN;
}

/* --- sleeping --- */

static long sleep_on_both(const struct wait *w, const struct shim_watch *watch, uint32_t deaths)
{
	struct futex_waitv v[2] = {
		{.val = w->held, .uaddr = (uint64_t)w->word, .flags = FUTEX_32},
		{.val = deaths, .uaddr = (uint64_t)&watch->deaths, .flags = FUTEX_32},
	};

	return CALL5(449 /* futex_waitv */, v, 2, 0, w->timed ? &w->until : 0, w->clock);
}

static bool passed(const struct wait *w)
{
	struct timespec now;

	CALL2(__NR_clock_gettime, w->clock, &now);
	return w->timed && (now.tv_sec > w->until.tv_sec ||
			    (now.tv_sec == w->until.tv_sec && now.tv_nsec >= w->until.tv_nsec));
}

/* On the mutex alone, but not for long. */
static long sleep_a_slice(const struct wait *w)
{
	struct timespec slice = {.tv_nsec = SLICE_NS};
	long r = CALL4(__NR_futex, w->word, FUTEX_WAIT, w->held, &slice);

	return r == -ETIMEDOUT && !passed(w) ? 1 : r;
}

SPECIAL(robust_wait)
{
	struct wait w = {.word = (uint32_t *)t->arg[0], .held = (uint32_t)t->arg[2]};
	int owner = (int)(w.held & FUTEX_TID_MASK);

	if (!owner || !is_robust(t) || !deadline(t, &w))
		return trap_native(t);
	for (;;) {
		const struct shim_watch *watch;
		uint32_t deaths, was = w.held;
		enum owner is;
		long r;

		if (__atomic_load_n(w.word, __ATOMIC_ACQUIRE) != w.held)
			return -EAGAIN;
		is = look_at(owner, &watch, &deaths);
		if (is == DEAD) {
			__atomic_compare_exchange_n(w.word, &was, FUTEX_WAITERS | FUTEX_OWNER_DIED, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED);
			return -EAGAIN;
		}
		r = watch ? sleep_on_both(&w, watch, deaths) : -ENOSYS;
		if (r == -ENOSYS || r == -EPERM)
			r = sleep_a_slice(&w);
		/* 1: something is new about the owner; -EAGAIN: about one of the words. */
		if (r != 1 && r != -EAGAIN)
			return r;
	}
}
