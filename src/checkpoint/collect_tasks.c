/* Working inside the stopped tasks: scratch memory into every process, one batch in every thread. Each
 * step is started in a number of them before the first is waited for. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "kernel/sys.h"
#include "kinds/task_kind.h"
#include "tracee/batch.h"
#include "tracee/guard.h"

#define SLOTS_MAX 16 /* threads of one process that work at a time */

struct thread_work {
	struct frozen_task *k;
	struct task_view v;
	struct proc_status status;
	char comm[sizeof ((struct proc_stat *)0)->comm];
	int error; /* of reading these two */
	struct batch batch;
	bool started;
};

/* Some processes at a time, so that what is known of tasks while they are asked does not grow with the container. */
#define WINDOW 512 /* tasks, or one process that has more */

struct window {
	struct save *s;
	struct saved_process **at; /* n of them */
	size_t n;
	struct thread_work *work;  /* of those that are asked */
	size_t n_work;
};

static int start_scratch(struct saved_process *p, struct guard_cache *cache, struct pidspace_error *err)
{
	struct tracee *t = &p->first->t;
	size_t slots = p->n_tasks < SLOTS_MAX ? p->n_tasks : SLOTS_MAX;

	p->mm->scratch_len = SCRATCH_CODE + slots * SCRATCH_SLOT;
	guard_prepare(cache, t, p->mm->maps);
	return scratch_map_start(t, p->mm->scratch_len, err);
}

static uint32_t map_id(const struct id_map *m, uint32_t outside)
{
	vec_each(r, &m->range)
		if (outside - r->out < r->n)
			return outside - r->out + r->in;
	return outside;
}

static void map_credentials(const struct save_engine *e, Credentials *c)
{
	for (size_t i = 0; i < c->n_uid; i++)
		c->uid[i] = map_id(&e->uids, c->uid[i]);
	for (size_t i = 0; i < c->n_gid; i++)
		c->gid[i] = map_id(&e->gids, c->gid[i]);
	for (size_t i = 0; i < c->n_group; i++)
		c->group[i] = map_id(&e->gids, c->group[i]);
}

/* What every thread has of its own, whether it is asked or not. */
static int read_thread(struct save *s, struct saved_process *p, struct frozen_task *k, Thread *th, const char *comm,
		       struct pidspace_error *err)
{
	uint8_t xstate[TRACEE_XSTATE_MAX];
	size_t xlen = sizeof xstate;
	int r = tracee_get_xstate(&k->t, xstate, &xlen);

	if (r < 0)
		return error_sys(err, r, "cannot read the vector registers of thread %d", k->tid.n);
	th->comm = strdup(comm);
	if (!th->comm || collect_keep_xstate(p, th, xstate, xlen) < 0)
		return error_sys(err, -ENOMEM, "cannot save thread %d", k->tid.n);
	/* As they were at the stop; nobody changes them there before the tasks are let go. */
	th->regs = (ProtobufCBinaryData){sizeof k->t.regs, (uint8_t *)&k->t.regs};
	/* What we run there is the stub, which leaves these registers alone. */
	k->t.xstate = th->xstate.data;
	k->t.xstate_len = xlen;
	if (k->ran_ns && s->engine->frozen->stop_ns > k->ran_ns)
		th->call_elapsed_ns = s->engine->frozen->stop_ns - k->ran_ns;
	if (p->filtered)
		collect_refuse(s, k->tid, 0, "E_SECCOMP", "its system call filter cannot be carried yet",
			       "run the program without its sandbox", "thread with a seccomp filter");
	if (k->t.regs.cs != 0x33)
		collect_refuse(s, k->tid, 0, "E_I386", "only 64-bit programs can be carried",
			       "use a 64-bit build of the program", "32-bit program");
	p->refused |= p->filtered || k->t.regs.cs != 0x33;
	return 0;
}

static void look_at_thread(void *arg, size_t i, unsigned worker)
{
	const struct window *win = arg;
	struct thread_work *w = &win->work[i];
	const struct frozen_task *k = w->k;
	int proc_fd = win->s->space->proc_fd;
	struct proc_stat st;

	if (k->zombie)
		return;
	bool leads = k->tid.n == k->tgid.n;
	if (!leads)
		w->error = proc_stat_read(proc_fd, k->tgid.n, k->tid.n, &st);
	if (w->error == 0) {
		memcpy(w->comm, leads ? k->stat.comm : st.comm, sizeof w->comm);
		w->error = proc_status_read(proc_fd, k->tgid.n, leads ? 0 : k->tid.n, &w->status);
	}
}

static Thread *add_thread(Process *m, const struct frozen_task *k)
{
	Thread *th = malloc(sizeof *th);

	if (!th)
		return NULL;
	thread__init(th);
	m->thread[m->n_thread++] = th;
	th->tid = k->tid.n;
	th->dead = k->zombie;
	return th;
}

/* w: NULL for one that has a twin. */
static int prepare_threads(struct save *s, struct saved_process *p, struct thread_work *w,
			   struct pidspace_error *err)
{
	Process *m = p->m;
	int r = 0;

	m->thread = calloc(p->n_tasks, sizeof *m->thread);
	if (!m->thread)
		return error_sys(err, -ENOMEM, "cannot save process %d", m->pid);
	if (p->as)
		p->filtered = p->as->filtered;
	for (size_t i = 0; i < p->n_tasks && r == 0; i++) {
		struct frozen_task *k = s->engine->frozen->tasks.at[p->task_at + i];
		Thread *th = add_thread(m, k);
		if (!th)
			return error_sys(err, -ENOMEM, "cannot save process %d", m->pid);
		if (!w) {
			r = read_thread(s, p, k, th, k->stat.comm, err);
			continue;
		}
		w[i].v = (struct task_view){.k = k, .space = s->space, .stat = p->stat, .status = &w[i].status,
					    .process = m, .thread = th, .timers = p->seen.timers, .first = k == p->first};
		if (w[i].error < 0)
			return error_sys(err, w[i].error, "cannot read thread %d", k->tid.n);
		p->filtered = w[i].status.seccomp;
		if (!k->zombie)
			r = read_thread(s, p, k, th, w[i].comm, err);
	}
	return r;
}

static int start_thread(struct saved_process *p, struct thread_work *w, size_t slot,
			struct pidspace_error *err)
{
	struct tracee *t = &w->v.k->t;

	t->stub = p->mm->scratch;
	t->done_signal = guard_quiet_signal(&w->status);
	scratch_slot(t, p->mm->scratch + SCRATCH_CODE + slot * SCRATCH_SLOT, SCRATCH_SLOT);
	for (const struct task_kind *const *kd = task_kinds; *kd; kd++)
		(*kd)->ask(&w->v, &w->batch);
	w->started = true;
	return batch_start(t, &w->batch, err);
}

static int finish_thread(struct save *s, struct thread_work *w, struct pidspace_error *err)
{
	int r = batch_finish(&w->v.k->t, &w->batch, err);

	for (const struct task_kind *const *kd = task_kinds; *kd && r == 0; kd++)
		r = (*kd)->take(&w->v, &w->batch, err);
	if (r == 0)
		map_credentials(s->engine, w->v.thread->cred);
	batch_done(&w->batch);
	proc_status_done(&w->status);
	w->started = false;
	return r;
}

/* One process's threads, in groups of as many as have slots. Every started one is finished, also after a
 * failure: nothing may run on with our registers. */
static int work_in_threads(struct save *s, struct saved_process *p, struct thread_work *w,
			   struct pidspace_error *err)
{
	/* As many as the owner of the memory had made room for, which may have fewer threads. */
	size_t slots = (p->mm->scratch_len - SCRATCH_CODE) / SCRATCH_SLOT;
	int r = 0;

	for (size_t i = 0; i < p->n_tasks; i += slots) {
		size_t end = i + slots < p->n_tasks ? i + slots : p->n_tasks;
		for (size_t k = i; k < end && r == 0; k++)
			if (!w[k].v.k->zombie && !w[k].started)
				r = start_thread(p, &w[k], k - i, err);
		for (size_t k = i; k < end; k++)
			if (w[k].started) {
				int q = finish_thread(s, &w[k], r < 0 ? NULL : err);
				r = r < 0 ? r : q;
			}
	}
	return r;
}

static bool may_work_in(const struct saved_process *p)
{
	return p->first && !p->refused && !p->as;
}

#define AHEAD 16 /* processes that a step has under way before the first of them is waited for */

static bool has_scratch(const struct saved_process *p)
{
	return may_work_in(p) && p->mm->owner == p;
}

/* Each step is some processes ahead of the one that waits for it, so that nobody sleeps; not all of them,
 * because what is touched again soon is still in the cache. Whatever was started is finished, also
 * after a failure. */
static int map_all_scratch(const struct window *win, struct guard_cache *cache, struct pidspace_error *err)
{
	size_t n = win->n;
	int r = 0;

	for (size_t i = 0; i < n + 2 * AHEAD; i++) {
		struct saved_process **at = win->at + i;
		if (i < n && has_scratch(*at) && r == 0) {
			r = start_scratch(*at, cache, err);
			(*at)->started = r == 0;
		}
		if (i >= AHEAD && i - AHEAD < n && at[-AHEAD]->started)
			scratch_enter(&at[-AHEAD]->first->t);
		if (i < 2 * AHEAD || i - 2 * AHEAD >= n || !at[-2 * AHEAD]->started)
			continue;
		struct saved_process *p = at[-2 * AHEAD];
		p->started = false;
		int q = scratch_map_finish(&p->first->t, p->mm->scratch_len, &p->mm->scratch,
					   r < 0 ? NULL : err);
		r = r < 0 ? r : q;
	}
	return r;
}

/* The first thread of a process, ahead of its turn in work_in_threads(). */
static int start_first(struct saved_process *p, struct thread_work *w, struct pidspace_error *err)
{
	size_t k = 0;

	while (w[k].v.k != p->first)
		k++;
	return k < SLOTS_MAX ? start_thread(p, &w[k], k, err) : 0;
}

static int work_everywhere(const struct window *win, struct pidspace_error *err)
{
	size_t n = win->n;
	int r = 0;

	for (size_t i = 0; i < n + AHEAD; i++) {
		struct saved_process **at = win->at + i;
		if (i < n && has_scratch(*at) && r == 0)
			r = start_first(*at, win->work + (*at)->work_at, err);
		if (i < AHEAD || !may_work_in(at[-AHEAD]))
			continue;
		int q = work_in_threads(win->s, at[-AHEAD], win->work + at[-AHEAD]->work_at, r < 0 ? NULL : err);
		r = r < 0 ? r : q;
	}
	return r;
}

/* Has the parent of a stopped process been told? Its wait queue says (waitid(2), looked at but not taken). */
static int ask_parents(struct save *s, struct pidspace_error *err)
{
	int r = 0;

	vec_each(slot, &s->engine->processes) {
		struct saved_process *p = *slot, *q = p->parent;
		struct batch b = {};
		siginfo_t si;
		if (!p->m->stop_signal || r < 0)
			continue;
		p->m->stop_reported = true;
		if (!q || !may_work_in(q))
			continue;
		size_t at = batch_out(&b, sizeof si);
		batch_may_fail(&b, BATCH_CALL(&b, "waitid", SYS_waitid, P_PID, p->m->pid, BATCH_DATA(at),
					      WSTOPPED | WNOHANG | WNOWAIT | __WALL, 0));
		r = batch_run(&q->first->t, &b, err);
		if (r == 0) {
			memcpy(&si, batch_bytes(&b, at), sizeof si);
			p->m->stop_reported = batch_result(&b, 0) < 0 || si.si_pid == 0;
		}
		batch_done(&b);
	}
	return r;
}

/* As many of the processes from here on as belong into one window. */
static int window_open(struct window *win, struct saved_process **at, size_t left)
{
	const struct frozen *f = win->s->engine->frozen;

	win->at = at;
	for (win->n = win->n_work = 0; win->n < left && (!win->n || win->n_work + at[win->n]->n_tasks <= WINDOW); win->n++) {
		struct saved_process *p = at[win->n];
		p->work_at = win->n_work;
		if (p->first && !p->as)
			win->n_work += p->n_tasks;
		else if (win->n >= WINDOW)
			break;
	}
	win->work = calloc(win->n_work + 1, sizeof *win->work);
	if (!win->work)
		return -ENOMEM;
	for (size_t i = 0; i < win->n; i++)
		for (size_t k = 0; at[i]->first && !at[i]->as && k < at[i]->n_tasks; k++)
			win->work[at[i]->work_at + k].k = f->tasks.at[at[i]->task_at + k];
	return 0;
}

static void window_close(struct window *win)
{
	for (size_t i = 0; i < win->n_work; i++) {
		batch_done(&win->work[i].batch);
		proc_status_done(&win->work[i].status);
	}
	free(win->work);
}

static int ask_window(struct window *win, struct guard_cache *cache, struct pidspace_error *err)
{
	int r = 0;

	parallel_for(win->n_work, 16, look_at_thread, win);
	for (size_t i = 0; i < win->n && r == 0; i++) {
		struct saved_process *p = win->at[i];
		if (p->first)
			r = prepare_threads(win->s, p, p->as ? NULL : win->work + p->work_at, err);
	}
	if (r == 0)
		r = map_all_scratch(win, cache, err);
	if (r == 0)
		r = work_everywhere(win, err);
	for (size_t i = 0; i < win->n && r == 0; i++)
		if (win->at[i]->first)
			r = collect_take_answers(win->at[i], err);
	return r;
}

int collect_tasks(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	struct guard_cache cache = {};
	int r = 0;

	for (size_t i = 0; i < e->processes.n && r == 0;) {
		struct window win = {.s = s};
		r = window_open(&win, e->processes.at + i, e->processes.n - i);
		if (r < 0)
			return error_sys(err, r, "cannot save tasks");
		r = ask_window(&win, &cache, err);
		window_close(&win);
		i += win.n;
	}
	guard_cache_done(&cache);
	return r == 0 ? ask_parents(s, err) : r;
}

static void unmap_all_scratch(struct save_engine *e)
{
	size_t n = e->mms.n;

	for (size_t i = 0; i < n + 2 * AHEAD; i++) {
		struct saved_mm **at = e->mms.at + i;
		if (i < n && at[0]->scratch && at[0]->owner->first->t.state == TRACEE_STOPPED)
			at[0]->leaving = scratch_unmap_start(&at[0]->owner->first->t, at[0]->scratch,
							     at[0]->scratch_len, NULL) == 0;
		if (i >= AHEAD && i - AHEAD < n && at[-AHEAD]->leaving)
			scratch_enter(&at[-AHEAD]->owner->first->t);
		if (i < 2 * AHEAD || i - 2 * AHEAD >= n)
			continue;
		struct saved_mm *mm = at[-2 * AHEAD];
		if (mm->leaving)
			scratch_unmap_finish(&mm->owner->first->t, NULL);
		mm->scratch = 0;
	}
}

void collect_leave(struct save *s)
{
	/* The way home from a batch lies in the memory that goes now, and several may share it. */
	vec_each(k, &s->engine->frozen->tasks)
		if ((*k)->t.state == TRACEE_STOPPED && (*k)->t.worked_in)
			tracee_lay(&(*k)->t);
	vec_each(p, &s->engine->frozen->tasks)
		(*p)->t.xstate = NULL; /* the message it is part of goes away */
	unmap_all_scratch(s->engine);
}
