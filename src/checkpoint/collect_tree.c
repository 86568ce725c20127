/* Who is there: processes, threads, kinship; and what can be said of a task from outside. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/plan.h"
#include "kinds/terminal.h"

void collect_refuse(struct save *s, struct vpid pid, uint64_t address, const char *code, const char *why,
		    const char *advice, const char *what_fmt, ...)
{
	struct refusal *r = vec_push(&s->refusals);
	va_list ap;

	if (!r)
		return;
	*r = (struct refusal){.pid = pid, .fd = -1, .address = address};
	snprintf(r->code, sizeof r->code, "%s", code);
	snprintf(r->why, sizeof r->why, "%s", why);
	snprintf(r->advice, sizeof r->advice, "%s", advice);
	va_start(ap, what_fmt);
	vsnprintf(r->what, sizeof r->what, what_fmt, ap);
	va_end(ap);
}

struct saved_process *collect_find(const struct save *s, struct vpid pid)
{
	struct save_engine *e = s->engine;

	if (pid.n <= 0 || (size_t)pid.n >= e->n_by_pid || !e->by_pid[pid.n])
		return NULL;
	return e->processes.at[e->by_pid[pid.n] - 1];
}

static int add_process(struct save *s, struct frozen *f, size_t at)
{
	struct save_engine *e = s->engine;
	struct saved_process *p = calloc(1, sizeof *p), **slot;
	struct frozen_task *k = f->tasks.at[at];

	if (!p || !(slot = vec_push(&e->processes))) {
		free(p);
		return -ENOMEM;
	}
	*slot = p;
	p->pidfd = -1;
	p->leader = k;
	p->task_at = at;
	for (size_t i = at; i < f->tasks.n && f->tasks.at[i]->tgid.n == k->tgid.n; i++) {
		p->n_tasks++;
		if (!p->first && !f->tasks.at[i]->zombie)
			p->first = f->tasks.at[i];
	}
	p->m = malloc(sizeof *p->m);
	if (!p->m)
		return -ENOMEM;
	process__init(p->m);
	p->stat = &k->stat;
	p->m->pid = k->tgid.n;
	p->m->ppid = p->stat->ppid;
	p->m->pgid = p->stat->pgid;
	p->m->sid = p->stat->sid;
	p->m->exit_signal = (uint32_t)p->stat->exit_signal;
	p->m->start_ticks = p->stat->start_ticks;
	p->m->cpu_ticks = p->stat->utime_ticks + p->stat->stime_ticks;
	p->m->rss_pages = p->stat->rss_pages;
	if (!p->first) {
		p->m->state = PROCESS_STATE__PROCESS_ZOMBIE;
		p->m->exit_status = (uint32_t)p->stat->exit_code;
		return 0;
	}
	p->m->stop_signal = (uint32_t)p->first->t.group_stop;
	int tty = p->stat->tty_nr ? terminal_index_of(p->stat->tty_nr) : -1;
	if (tty >= 0 && p->m->sid) {
		p->m->tty = tty + 1;
		p->m->tty_pgrp = p->stat->tpgid;
	}
	return 0;
}

/* Depth in the tree, for the order; a parent outside counts as a root. */
static int depth_of(const struct save *s, const struct saved_process *p)
{
	int d = 0;

	while (p && p->parent && d < 1 << 22) {
		p = p->parent;
		d++;
	}
	return d;
}

struct ranked {
	int depth;
	struct saved_process *p;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth - y->depth;
	return x->p->m->pid - y->p->m->pid;
}

static int order_by_kinship(struct save *s)
{
	struct save_engine *e = s->engine;
	struct ranked *rank = calloc(e->processes.n, sizeof *rank);

	if (!rank)
		return -ENOMEM;
	for (size_t i = 0; i < e->processes.n; i++)
		e->by_pid[e->processes.at[i]->m->pid] = (uint32_t)i + 1;
	vec_each(p, &e->processes)
		(*p)->parent = (*p)->m->ppid ? collect_find(s, vpid_of((*p)->m->ppid)) : NULL;
	for (size_t i = 0; i < e->processes.n; i++)
		rank[i] = (struct ranked){depth_of(s, e->processes.at[i]), e->processes.at[i]};
	qsort(rank, e->processes.n, sizeof *rank, by_rank);
	for (size_t i = 0; i < e->processes.n; i++) {
		e->processes.at[i] = rank[i].p;
		e->by_pid[rank[i].p->m->pid] = (uint32_t)i + 1;
	}
	free(rank);
	return 0;
}

/* A process must also come after the one that forks it, which may be a sibling with a higher number. */
static int order_by_forks(struct save *s)
{
	struct save_engine *e = s->engine;
	size_t n = e->processes.n;
	Process **ps = calloc(n, sizeof *ps);
	struct ranked *rank = calloc(n, sizeof *rank);
	struct plan plan;
	int r = ps && rank ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		ps[i] = e->processes.at[i]->m;
	/* A tree that cannot be planned is refused later (collect_maps.c). */
	if (r == 0 && plan_make(&plan, ps, n, NULL) == 0) {
		for (size_t i = 0; i < n; i++) {
			int d = 0;
			for (int f = plan.step[i].forker; f >= 0 && d <= (int)n; f = plan.step[f].forker)
				d++;
			rank[i] = (struct ranked){d, e->processes.at[i]};
		}
		plan_done(&plan);
		qsort(rank, n, sizeof *rank, by_rank);
		for (size_t i = 0; i < n; i++) {
			e->processes.at[i] = rank[i].p;
			e->by_pid[rank[i].p->m->pid] = (uint32_t)i + 1;
		}
	}
	free(ps);
	free(rank);
	return r;
}

static void read_id_map(struct save *s, const char *name, struct id_map *map)
{
	char buf[4096];
	unsigned in, out, n;
	int used;

	if (proc_read_file(s->space->proc_fd, 1, 0, name, buf, sizeof buf) <= 0)
		return;
	for (char *p = buf; sscanf(p, "%u %u %u%n", &in, &out, &n, &used) == 3; p += used) {
		__typeof__(map->range.at) r = vec_push(&map->range);
		if (r) {
			r->in = in;
			r->out = out;
			r->n = n;
		}
	}
}

int collect_tree(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	struct frozen *f = e->frozen;
	int r = 0;

	vec_each(k, &f->tasks)
		if ((size_t)(*k)->tgid.n >= e->n_by_pid)
			e->n_by_pid = (size_t)(*k)->tgid.n + 1;
	e->by_pid = calloc(e->n_by_pid + 1, sizeof *e->by_pid);
	if (!e->by_pid)
		return error_sys(err, -ENOMEM, "cannot collect the tree");
	read_id_map(s, "uid_map", &e->uids);
	read_id_map(s, "gid_map", &e->gids);
	for (size_t i = 0; i < f->tasks.n && r == 0; i++) {
		if (i == 0 || f->tasks.at[i]->tgid.n != f->tasks.at[i - 1]->tgid.n)
			r = add_process(s, f, i);
		if (r < 0)
			return error_sys(err, r, "cannot read process %d", f->tasks.at[i]->tgid.n);
	}
	r = order_by_kinship(s);
	if (r == 0)
		r = order_by_forks(s);
	return r < 0 ? error_sys(err, r, "cannot order the tree") : 0;
}
