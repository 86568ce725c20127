#include "migrate/survey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "kernel/sys.h"

#define PAGE UINT64_C(4096)
#define AT_ONCE 16 /* processes entered in one stop, half a millisecond each */

/* What /proc/PID/statm tells: the same for all that share an address space. */
struct size {
	struct frozen_task *leader;
	unsigned long total, resident, shared;
};

struct sizes {
	VEC(struct size) of;
};

static bool is_leader(const struct frozen_task *k)
{
	return k->tid.n == k->tgid.n && !k->zombie && k->t.state == TRACEE_STOPPED;
}

static int read_sizes(const struct survey *s, const struct frozen *f, struct sizes *ret)
{
	char buf[128];

	vec_each(p, &f->tasks) {
		struct size z = {.leader = *p};
		if (!is_leader(*p) ||
		    proc_read_file(s->space->proc_fd, (*p)->tgid.n, 0, "statm", buf, sizeof buf) <= 0 ||
		    sscanf(buf, "%lu %lu %lu", &z.total, &z.resident, &z.shared) != 3)
			continue;
		struct size *slot = vec_push(&ret->of);
		if (!slot)
			return -ENOMEM;
		*slot = z;
	}
	return 0;
}

static uint64_t private_bytes(const struct size *z)
{
	return z->resident > z->shared ? (z->resident - z->shared) * PAGE : 0;
}

/* Whoever shares an address space (CLONE_VM without CLONE_THREAD) leaves it by exec without our seeing which of
 * them went: such memory is not watched. */
static bool is_alone(const struct sizes *all, const struct size *z)
{
	vec_each(o, &all->of)
		if (o->leader != z->leader && o->total == z->total && o->resident == z->resident &&
		    o->shared == z->shared &&
		    sys_kcmp(o->leader->t.tgid.n, z->leader->t.tgid.n, SYS_KCMP_VM, 0, 0) == 0)
			return false;
	return true;
}

static bool is_watched(const struct survey *s, const struct frozen_task *k)
{
	vec_each(t, &s->watched)
		if ((*t)->pid.n == k->tgid.n)
			return true;
	return false;
}

/* Still the process that was entered, with the memory that it had? */
static bool is_current(const struct survey *s, const struct tracker *t)
{
	struct proc_stat st;

	return proc_stat_read(s->space->proc_fd, t->pid.n, 0, &st) == 0 && st.start_ticks == t->start_ticks &&
	       st.state != 'Z' && tracker_holds(t);
}

static void drop_old(struct survey *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->watched.n; i++) {
		struct tracker *t = s->watched.at[i];
		if (is_current(s, t))
			s->watched.at[n++] = t;
		else
			tracker_leave(t);
	}
	s->watched.n = n;
}

static int watch(struct survey *s, struct frozen_task *k)
{
	struct pidspace_error why = {0};
	struct tracker *t, **slot = vec_push(&s->watched);

	if (!slot)
		return -ENOMEM;
	int r = tracker_enter(&t, s->space, k, &s->guards, s->next_id + 1, s->least_mapping, &why);
	if (r < 0) {
		s->watched.n--;
		s->forbidden = true;
		snprintf(s->why, sizeof s->why, "%s", *why.message ? why.message : strerror(-r));
		return r == -ENOMEM ? r : 0;
	}
	*slot = t;
	s->next_id++;
	return 0;
}

int survey_stopped(struct survey *s, const struct frozen *f, size_t *ret_left, struct pidspace_error *err)
{
	struct sizes all = {};
	size_t entered = 0;
	int r = read_sizes(s, f, &all);

	drop_old(s);
	s->bytes = 0;
	*ret_left = 0;
	vec_each(z, &all.of) {
		if (r < 0 || private_bytes(z) < s->least_process)
			continue;
		s->bytes += private_bytes(z);
		if (is_watched(s, z->leader) || !is_alone(&all, z))
			continue;
		if (entered++ < AT_ONCE)
			r = watch(s, z->leader);
		else
			++*ret_left;
	}
	vec_free(&all.of);
	return r < 0 ? error_sys(err, r, "cannot watch memory") : 0;
}

void survey_done(struct survey *s)
{
	vec_each(t, &s->watched)
		tracker_leave(*t);
	vec_free(&s->watched);
	guard_cache_done(&s->guards);
}
