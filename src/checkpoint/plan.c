#include "checkpoint/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <stdbool.h>

#include "base/error.h"

static int find_pid(const struct plan *pl, int32_t pid)
{
	for (size_t i = 0; i < pl->n; i++)
		if (pl->step[i].p->pid == pid)
			return (int)i;
	return -1;
}

/* The session a leader must have been born in, for the sake of children it had before its setsid; 0: any.
 * Only sessions of its ancestors count: what an adopted orphan is in says nothing of its adopter. */
static void find_needs(struct plan *pl)
{
	for (size_t i = pl->n; i-- > 1;) {
		struct plan_step *c = &pl->step[i], *q;
		int32_t want = c->leader ? c->need : c->p->sid;
		if (c->parent < 0 || !want)
			continue;
		q = &pl->step[c->parent];
		if (!q->leader || want == q->p->pid || q->need)
			continue;
		for (int up = q->parent; up >= 0; up = pl->step[up].parent)
			if (pl->step[up].p->sid == want) {
				q->need = want;
				break;
			}
	}
}

/* The session a leader was born in. */
static int32_t birth_session(const struct plan *pl, const struct plan_step *s)
{
	if (!s->leader)
		return s->p->sid;
	return s->need ? s->need : s->parent >= 0 ? pl->step[s->parent].p->sid : 0;
}

static int sibling_in(const struct plan *pl, size_t upto, int parent, int32_t sid)
{
	for (size_t i = 0; i < pl->n; i++) {
		const struct plan_step *s = &pl->step[i];
		/* Only the leader, or one that needs no sibling itself: else two could wait for each other. */
		if (s->parent == parent && s->p->pid == sid)
			return (int)i;
	}
	for (size_t i = 0; i < upto; i++) {
		const struct plan_step *s = &pl->step[i];
		if (s->parent == parent && s->p->sid == sid && s->how != PLAN_BY_ORPHANER)
			return (int)i;
	}
	return -1;
}

static int add_helper(struct plan *pl, int32_t pid, int forker, bool setsid)
{
	for (size_t i = 0; i < pl->helpers.n; i++)
		if (pid && pl->helpers.at[i].pid == pid)
			return (int)i;
	struct plan_helper *h = vec_push(&pl->helpers);
	if (!h)
		return -ENOMEM;
	*h = (struct plan_helper){pid, forker, setsid};
	return (int)(pl->helpers.n - 1);
}

static int plan_one(struct plan *pl, size_t i, struct pidspace_error *err)
{
	struct plan_step *s = &pl->step[i], *q = s->parent >= 0 ? &pl->step[s->parent] : NULL;
	int32_t sid = s->leader ? s->need : s->p->sid;
	int at;

	s->helper = -1;
	s->forker = s->parent;
	if (!q) {
		/* init; others without a parent inside (exec) are forked by init: see doc/INTERNALS.md */
		s->how = i == 0 ? PLAN_ROOT : PLAN_BY_PARENT;
		s->forker = i == 0 ? -1 : 0;
		if (i == 0 || s->leader || sid == pl->step[0].p->sid)
			return 0;
		q = &pl->step[0];
		s->forker = s->parent = 0;
	}
	if ((s->leader && !sid) || sid == q->p->sid) {
		s->how = PLAN_BY_PARENT;
		return 0;
	}
	if (q->leader && sid == birth_session(pl, q)) {
		s->how = PLAN_BY_PARENT_EARLY;
		return 0;
	}
	at = s->parent == 0 || q->parent >= 0 ? sibling_in(pl, i, s->parent, sid) : -1;
	if (at >= 0 && (size_t)at != i) {
		s->how = PLAN_BY_SIBLING;
		s->forker = at;
		return 0;
	}
	at = find_pid(pl, sid);
	if (at < 0) {
		s->how = PLAN_BY_LEADER;
		s->helper = add_helper(pl, sid, s->parent, true);
		if (s->helper >= 0 && pl->helpers.at[s->helper].forker == s->parent)
			return 0;
	} else {
		s->how = PLAN_BY_ORPHANER;
		s->forker = at;
		s->helper = add_helper(pl, 0, at, false);
		return s->helper < 0 ? error_sys(err, s->helper, "cannot plan the tree") : 0;
	}
	return error_set(err, -ENOTSUP, "E_SESSION",
			 "process %d is in session %d, which cannot be entered from its parent %d again; "
			 "end that process and try again", s->p->pid, sid, s->p->ppid);
}

/* A table for every pid there can be is 16 MiB, which malloc clears by hand once such a piece was freed before. */
static int32_t pids_end(Process *const *p, size_t n)
{
	int32_t end = 1;

	for (size_t i = 0; i < n; i++)
		if (p[i]->pid >= end && p[i]->pid < 1 << 22)
			end = p[i]->pid + 1;
	return end;
}

int plan_make(struct plan *ret, Process *const *p, size_t n, struct pidspace_error *err)
{
	struct plan pl = {.n = n, .step = calloc(n, sizeof *pl.step)};
	int32_t end = pids_end(p, n);
	int *by_pid = calloc((size_t)end, sizeof *by_pid);
	int r = 0;

	if (!pl.step || !by_pid) {
		free(by_pid);
		free(pl.step);
		return error_sys(err, -ENOMEM, "cannot plan the tree");
	}
	for (size_t i = 0; i < n; i++) {
		pl.step[i].p = p[i];
		pl.step[i].leader = p[i]->sid == p[i]->pid;
		if (p[i]->pid > 0 && p[i]->pid < end)
			by_pid[p[i]->pid] = (int)i + 1;
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		int32_t pp = p[i]->ppid;
		pl.step[i].parent = pp > 0 && pp < end ? by_pid[pp] - 1 : -1;
		if (pl.step[i].parent >= (int)i)
			r = error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				      "process %d stands before its parent %d", p[i]->pid, pp);
	}
	free(by_pid);
	if (r == 0)
		find_needs(&pl);
	for (size_t i = 0; i < n && r == 0; i++)
		r = plan_one(&pl, i, err);
	if (r < 0) {
		plan_done(&pl);
		return r;
	}
	*ret = pl;
	return 0;
}

void plan_done(struct plan *p)
{
	free(p->step);
	vec_free(&p->helpers);
	*p = (struct plan){};
}
