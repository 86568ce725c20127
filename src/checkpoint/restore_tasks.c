/* The tree stands and has its memory: threads, attributes, and letting go. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "kinds/fd_kind.h"
#include "kinds/task_kind.h"

#define THREAD_FLAGS                                                                               \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PTRACE)

bool restore_is_live(const struct restored *p)
{
	return p->p->state != PROCESS_STATE__PROCESS_ZOMBIE && !p->gone;
}

/* --- threads --- */

static int make_threads(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	size_t n = p->p->n_thread;
	struct batch b = {};
	int r = 0;

	p->threads = calloc(n, sizeof *p->threads);
	if (!p->threads)
		return error_sys(err, -ENOMEM, "cannot make threads");
	p->threads[0] = p->t;
	e->st.threads += n;
	if (n < 2)
		return 0;
	for (size_t i = 1; i < n; i++) {
		struct sys_clone_args a = {.flags = THREAD_FLAGS, .set_tid_size = 1};
		int32_t want = p->p->thread[i]->tid;
		size_t tid = batch_in(&b, &want, sizeof want), args = batch_in(&b, &a, sizeof a);
		batch_relocate(&b, args + offsetof(struct sys_clone_args, set_tid), tid);
		BATCH_CALL(&b, "clone3 of a thread", SYS_clone3, BATCH_DATA(args), sizeof a);
	}
	r = batch_run(&p->t, &b, err);
	batch_done(&b);
	for (size_t i = 1; i < n && r == 0; i++) {
		struct tracee *t = &p->threads[i];
		struct hpid host;
		r = space_to_host(e->r->space, vpid_of(p->p->thread[i]->tid), &host);
		if (r == 0)
			r = tracee_take_newborn(t, host, p->t.tgid);
		if (r < 0)
			return error_sys(err, r, "thread %d did not come up", p->p->thread[i]->tid);
		t->stub = p->t.stub;
		t->done_signal = p->t.done_signal;
		t->vdso = p->t.vdso;
		scratch_slot(t, e->scratch + SCRATCH_CODE + (i % 16) * SCRATCH_SLOT, SCRATCH_SLOT);
	}
	return r;
}

int restore_threads(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->plan.n && r == 0; i++)
		if (restore_is_live(&e->at[i]))
			r = make_threads(e, &e->at[i], err);
	return r < 0 ? error_add(err, r, "threads") : 0;
}

/* --- attributes --- */

size_t restore_first_live(const Process *p)
{
	for (size_t i = 0; i < p->n_thread; i++)
		if (!p->thread[i]->dead)
			return i;
	return 0;
}

bool restore_has_pending(const Process *p, const Thread *th, int sig)
{
	int32_t s;

	for (size_t i = 0; i < p->n_pending; i++)
		if (memcpy(&s, p->pending[i].data, 4), s == sig)
			return true;
	for (size_t i = 0; i < th->n_pending; i++)
		if (memcpy(&s, th->pending[i].data, 4), s == sig)
			return true;
	return false;
}

static int quiet_signal(const Process *p, const Thread *th)
{
	static const int candidates[] = {SIGURG, SIGWINCH, SIGCHLD, SIGCONT};

	for (size_t i = 0; i < 3; i++)
		if (!restore_has_pending(p, th, candidates[i]))
			return candidates[i];
	return SIGURG;
}

/* The number below the k-th under which the same description is open in this table already, or -1. */
static int number_before(const FdTable *t, size_t k)
{
	for (size_t i = 0; i < k; i++)
		if (t->fd[i]->file == t->fd[k]->file)
			return (int)t->fd[i]->number;
	return -1;
}

/* Opens path as number, by way of one above all numbers of the tree (dup3(2) refuses equal ones). What is
 * up there goes with the pool. */
static void open_at(struct restore_engine *e, const char *path, int flags, int64_t pos, const Descriptor *d,
		    struct batch *b)
{
	size_t at = batch_str(b, path);
	int open = BATCH_CALL(b, "open", SYS_openat, AT_FDCWD, BATCH_DATA(at), flags | O_CLOEXEC, 0);
	int high = BATCH_CALL(b, "fcntl(F_DUPFD)", SYS_fcntl, 0, F_DUPFD_CLOEXEC, e->sock_inside);

	batch_use(b, high, 0, open);
	batch_use(b, BATCH_CALL(b, "close", SYS_close, 0), 0, open);
	int dup = BATCH_CALL(b, "dup3", SYS_dup3, 0, d->number, d->cloexec ? O_CLOEXEC : 0);
	batch_use(b, dup, 0, high);
	if (pos)
		batch_may_fail(b, BATCH_CALL(b, "lseek", SYS_lseek, d->number, pos, SEEK_SET));
}

/* Descriptors that only a task of the tree can open (/dev/tty). */
static int add_late_files(struct restore_engine *e, struct restored *p, struct batch *b,
			  struct pidspace_error *err)
{
	for (size_t k = 0; p->owns_fds && k < p->fds->n_fd; k++) {
		const Descriptor *d = p->fds->fd[k];
		const OpenFile *f = d->file && d->file <= e->open_files.n ? e->open_files.at[d->file - 1] : NULL;
		const struct fd_kind *kind = f ? fd_kind_by_id(f->kind) : NULL;
		int flags, r, before = number_before(p->fds, k);
		const char *path;
		if (!kind || !kind->late_open)
			continue;
		if (before >= 0) {
			BATCH_CALL(b, "dup3", SYS_dup3, before, d->number, d->cloexec ? O_CLOEXEC : 0);
			continue;
		}
		r = kind->late_open(e->r, f, &path, &flags);
		if (r < 0)
			return error_sys(err, r, "cannot open file %u again", f->id);
		open_at(e, path, flags, f->pos, d, b);
	}
	return 0;
}

static int set_comm(struct restore_engine *e, const Process *p, const Thread *th, struct batch *b)
{
	size_t at = batch_str(b, th->comm ? th->comm : "");

	(void)e;
	(void)p;
	return BATCH_CALL(b, "prctl(PR_SET_NAME)", SYS_prctl, PR_SET_NAME, BATCH_DATA(at));
}

static int attributes_of(struct restore_engine *e, struct restored *p, size_t k, struct pidspace_error *err)
{
	Thread *th = p->p->thread[k];
	struct tracee *t = &p->threads[k];
	bool first = k == restore_first_live(p->p);
	struct batch b = {};
	int r = 0;

	t->done_signal = quiet_signal(p->p, th);
	set_comm(e, p->p, th, &b);
	if (th->dead)
		return restore_queue_add(e, p, t, &b, err);
	if (first) {
		task_signals_early(p->p, &b);
		task_process_late(p->p, &b);
		r = add_late_files(e, p, &b, err);
		if (p->owns_mm)
			restore_mm_late(e, p, &b);
	}
	task_memory_words_late(th, &b);
	if (r == 0)
		r = task_schedule_late(th, t->tid, err);
	if (r == 0 && first)
		r = task_limits_late(p->p, t->tgid, err);
	task_credentials_late(p->p, th, first, &b);
	if (first) {
		/* Last of all: the pool goes, timers start to run, what was pending is pending. */
		if (p->owns_fds)
			BATCH_CALL(&b, "close_range", SYS_close_range, e->sock_inside, ~0U, 0);
		task_timers_late(p->p, &b);
	}
	task_signals_late(p->p, th, first, &b);
	if (r == 0)
		return restore_queue_add(e, p, t, &b, err);
	batch_done(&b);
	return error_add(err, r, "thread %d of process %d", th->tid, p->p->pid);
}

/* Files below /proc/PID that a task may write about itself but that we write for it. */
static void write_proc_values(struct restore_engine *e, const Process *p)
{
	char path[48], value[32];

	snprintf(path, sizeof path, "%d/oom_score_adj", p->pid);
	snprintf(value, sizeof value, "%d", p->oom_score_adj);
	if (p->oom_score_adj)
		fd_write_str_at(e->r->space->proc_fd, path, value);
	snprintf(path, sizeof path, "%d/coredump_filter", p->pid);
	snprintf(value, sizeof value, "0x%llx", (unsigned long long)p->coredump_filter);
	if (p->coredump_filter != 0x33)
		fd_write_str_at(e->r->space->proc_fd, path, value);
}

int restore_attributes(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->plan.n && r == 0; i++) {
		struct restored *p = &e->at[i];
		if (!restore_is_live(p))
			continue;
		write_proc_values(e, p->p);
		/* Threads before the first one: what they need (a leader's name) must be there before the
		 * process gives up its privileges. */
		for (size_t k = p->p->n_thread; k-- > 0 && r == 0;)
			r = attributes_of(e, p, k, err);
	}
	return r == 0 ? restore_queue_finish(e, err) : r;
}

/* --- letting go --- */

static int drop_exitkill(struct restore_engine *e, bool init, struct pidspace_error *err)
{
	for (size_t i = 0; i < e->plan.n; i++) {
		struct restored *p = &e->at[i];
		if (!restore_is_live(p) || (i == 0) != init)
			continue;
		for (size_t k = 0; k < p->p->n_thread; k++)
			if (p->threads[k].state != TRACEE_GONE &&
			    ptrace(PTRACE_SETOPTIONS, p->threads[k].tid.n, NULL, 0) < 0)
				return error_sys(err, -errno, "cannot let process %d go", p->p->pid);
	}
	return 0;
}

int restore_release(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	/* If we die before init's option is dropped, init dies and everything with it; after that, all live. */
	if (r == 0)
		r = drop_exitkill(e, false, err);
	if (r == 0 && e->o->commit)
		r = e->o->commit(e->o->commit_arg, e->r->space, err);
	if (r == 0)
		r = drop_exitkill(e, true, err);
	for (size_t i = 0; i < e->plan.n && r == 0; i++) {
		struct restored *p = &e->at[i];
		for (size_t k = 0; restore_is_live(p) && k < p->p->n_thread; k++)
			ptrace(PTRACE_DETACH, p->threads[k].tid.n, NULL, NULL);
	}
	return r;
}
