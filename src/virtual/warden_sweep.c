/* Which numbers are still in use: by a task, or as the group or session of one. */
#include "virtual/warden.h"

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
	if (u.number.n)
		qsort(u.number.at, u.number.n, sizeof *u.number.at, by_number);
	pid_map_sweep(w->place.map, in_use, &u);
	pid_map_trim(w->place.map);
	vec_free(&u.number);
}
