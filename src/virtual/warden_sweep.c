/* Which numbers are still in use: by a task, or as the group or session of one; and which births are nobody's any more. */
#include "virtual/warden.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct used {
	struct warden *w;
	VEC(pid_t) number; /* sorted */
};

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void add(struct used *u, pid_t n)
{
	pid_t *at = n > 0 ? vec_push(&u->number) : NULL;

	if (at)
		*at = n;
}

/* Without memory to tell, everything is. */
static bool in_use(void *arg, struct hpid host)
{
	const struct used *u = arg;

	return !u->number.n || bsearch(&host.n, u->number.at, u->number.n, sizeof host.n, by_number);
}

/* A zombie is not gone. Neither is a stranger who has got the number since: the slot then stays taken. */
static bool gone(int32_t host)
{
	return kill(host, 0) < 0 && errno == ESRCH;
}

/* A slot is given back by parent and child when they have passed. Of those that are killed before, the warden gives back
 * their part. Who took the slot is in `users` itself; what else it says may be left from before while its taker still writes,
 * but that is looked at only when the taker has passed or is dead. */
static void sweep_births(struct used *u, struct shim_common *c)
{
	for (unsigned i = 0; i < SHIM_BIRTHS; i++) {
		struct shim_birth *b = &c->births[i];
		uint32_t users = __atomic_load_n(&b->users, __ATOMIC_ACQUIRE);
		int32_t owner = (int32_t)(users >> BIRTH_OWNER_SHIFT), child;

		if (!(users & (BIRTH_PARENT | BIRTH_CHILD)) || ((users & BIRTH_PARENT) && !gone(owner)))
			continue;
		child = __atomic_load_n(&b->child, __ATOMIC_ACQUIRE);
		if (!(users & BIRTH_CHILD) || child == 0 || (child > 0 && gone(child)))
			__atomic_compare_exchange_n(&b->users, &users, users & ~(BIRTH_PARENT | BIRTH_CHILD), false,
						    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
		else
			add(u, owner); /* its child is about to bind the number that it reserved */
	}
}

void warden_sweep(struct warden *w)
{
	struct used u = {.w = w};
	struct vpid at = {0};

	while ((at = pid_map_next_used(w->place.map, at)).n) {
		struct hpid h;
		enum pid_map_state s = pid_map_look(w->place.map, at, &h);

		if (s == PID_MAP_RESERVED_BY && h.n && kill(h.n, 0) == 0)
			add(&u, h.n); /* its maker is about to bind it */
		if (s != PID_MAP_BOUND_TO || !place_is_ours(&w->place, h, at))
			continue;
		add(&u, h.n);
		add(&u, getpgid(h.n));
		add(&u, getsid(h.n));
	}
	sweep_births(&u, w->place.common);
	if (u.number.n)
		qsort(u.number.at, u.number.n, sizeof *u.number.at, by_number);
	pid_map_sweep(w->place.map, in_use, &u);
	pid_map_trim(w->place.map);
	vec_free(&u.number);
}
