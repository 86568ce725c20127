/* The last registers of every thread, and with them the call it was waiting in; what was stopped is stopped
 * again. From here on nothing may be done inside a process any more. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "kernel/sys.h"

/* A leader that has exited while its threads go on: its first act will be to exit. Not now, because a zombie
 * cannot be detached, and its parent would wait for us in vain. */
static int end_leader(struct restored *p, size_t k, struct pidspace_error *err)
{
	struct tracee *t = &p->threads[k];
	struct user_regs_struct r = {};
	long at = scratch_vdso_syscall(false);
	int e = ptrace(PTRACE_GETREGS, t->tid.n, NULL, &r) < 0 ? -errno : 0;

	r.rip = p->mm->vdso + (uint64_t)at;
	r.rax = SYS_exit;
	r.rdi = 0;
	r.orig_rax = (unsigned long)-1;
	if (e == 0 && at > 0)
		e = tracee_set_regs(t, &r);
	if (e == 0)
		e = tracee_set_mask(t, ~UINT64_C(0));
	return e < 0 ? error_sys(err, e, "cannot end the leader of process %d again", p->p->pid) : 0;
}

static int check_registers(const Thread *th, struct user_regs_struct *ret, struct pidspace_error *err)
{
	if (th->regs.len != sizeof *ret)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "registers of thread %d have a wrong size", th->tid);
	memcpy(ret, th->regs.data, sizeof *ret);
	if (ret->cs != 0x33)
		return error_set(err, -ENOTSUP, "E_I386", "thread %d is a 32-bit program", th->tid);
	return 0;
}

/* After the scratch memory went: it steps back onto the call. */
static int final_registers(struct restored *p, size_t k, struct pidspace_error *err)
{
	Thread *th = p->p->thread[k];
	struct tracee *t = &p->threads[k];
	struct user_regs_struct regs;
	int r = check_registers(th, &regs, err);

	if (r < 0)
		return r;
	t->regs = regs;
	t->vdso = p->mm->vdso;
	t->newborn = false; /* from here on it is left as a living task is */
	t->sigreturn = 0;
	t->stack_below = false;
	r = tracee_set_xstate(t, th->xstate.data, th->xstate.len);
	restore_call(t, p->p, th, &regs);
	if (r == 0 && tracee_must_reenter(&regs) && !p->p->stop_signal)
		r = tracee_reenter(t, &regs, th->sigmask);
	else if (r == 0 && (r = tracee_set_regs(t, &regs)) == 0)
		r = tracee_set_mask(t, th->sigmask);
	t->worked_in = false;
	return r < 0 ? error_sys(err, r, "cannot set the registers of thread %d", th->tid) : 0;
}

/* The last work in an address space: not dumpable again, and the scratch memory away. */
static int start_leaving(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	struct tracee *t = &p->threads[restore_first_live(p->p)];
	int r = 0;

	t->vdso = p->mm->vdso;
	if (p->p->dumpable == 0)
		r = (int)scratch_single_call(t, t->vdso, SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
	if (r < 0)
		return error_sys(err, r, "cannot make process %d not dumpable", p->p->pid);
	p->leaving = true;
	return scratch_unmap_start(t, e->scratch, e->scratch_len, err);
}

static int finish_leaving(struct restored *p, struct pidspace_error *err)
{
	size_t k = restore_first_live(p->p);
	int r = scratch_unmap_finish(&p->threads[k], err);

	p->leaving = false;
	return r < 0 ? r : final_registers(p, k, err);
}

/* Does an earlier process share this address space? Then it takes the scratch memory away. */
static bool mm_used_earlier(const struct restore_engine *e, size_t i)
{
	if (e->at[i].owns_mm)
		return false;
	for (size_t k = 0; k < i; k++)
		if (e->at[k].mm && e->at[k].mm == e->at[i].mm && restore_is_live(&e->at[k]))
			return true;
	return false;
}

/* Runs it until it reports this stop: delivery of a signal, or (event) the stop of its group. */
static int run_until(struct tracee *t, int deliver, int sig, bool event)
{
	int status, r;

	for (;;) {
		if (ptrace(PTRACE_CONT, t->tid.n, NULL, (void *)(long)deliver) < 0)
			return -errno;
		r = tracee_wait(t, &status);
		if (r < 0)
			return r;
		if ((status >> 16 == PTRACE_EVENT_STOP) == event && WSTOPSIG(status) == sig)
			return 0;
		deliver = 0;
	}
}

/* Job control had stopped it: stop it again, so that it still is after we have left. Every thread has to take
 * part before the group counts as stopped and the parent is told. */
static int stop_again(struct restored *p, struct pidspace_error *err)
{
	size_t first = restore_first_live(p->p);
	struct tracee *t = &p->threads[first];
	int r;

	if (!p->p->stop_signal)
		return 0;
	/* With the signal unblocked: SIGSTOP always is. */
	r = sys_tgkill(t->tgid.n, t->tid.n, SIGSTOP);
	if (r == 0)
		r = run_until(t, 0, SIGSTOP, false);
	if (r == 0)
		r = run_until(t, SIGSTOP, SIGSTOP, true);
	for (size_t k = 0; k < p->p->n_thread && r == 0; k++)
		if (k != first && !p->p->thread[k]->dead)
			r = run_until(&p->threads[k], 0, SIGSTOP, true);
	return r < 0 ? error_sys(err, r, "cannot stop process %d again", p->p->pid) : 0;
}

/* A stop that the parent had been told of already is not told again: take the news from its wait queue, and
 * the SIGCHLD that came with it. The parent has not got its final registers yet. */
static int hush_parent(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	struct restored *q = p->step->parent >= 0 ? &e->at[p->step->parent] : NULL;
	uint64_t set = UINT64_C(1) << (SIGCHLD - 1), zero[2] = {};
	struct batch b = {};
	int r;

	if (!q || !restore_is_live(q) || !p->p->stop_signal)
		return 0;
	size_t k = restore_first_live(q->p);
	if (p->p->stop_reported)
		batch_may_fail(&b, BATCH_CALL(&b, "waitid", SYS_waitid, P_PID, p->p->pid, 0,
					      WSTOPPED | WNOHANG | __WALL, 0));
	if (!restore_has_pending(q->p, q->p->thread[k], SIGCHLD)) {
		size_t s = batch_in(&b, &set, sizeof set), z = batch_in(&b, zero, sizeof zero);
		batch_may_fail(&b, BATCH_CALL(&b, "rt_sigtimedwait", SYS_rt_sigtimedwait, BATCH_DATA(s), 0,
					      BATCH_DATA(z), 8));
	}
	r = batch_run(&q->threads[k], &b, err);
	batch_done(&b);
	return r;
}

/* All but the first thread, which still has to take the scratch memory away if nobody else needs it. */
static int registers_of(struct restore_engine *e, size_t i, struct pidspace_error *err)
{
	struct restored *p = &e->at[i];
	size_t first = restore_first_live(p->p);
	int r = 0;

	for (size_t k = p->p->n_thread; k-- > 0 && r == 0;) {
		if (p->p->thread[k]->dead)
			r = end_leader(p, k, err);
		else if (k != first)
			r = final_registers(p, k, err);
	}
	if (r < 0)
		return r;
	return mm_used_earlier(e, i) ? final_registers(p, first, err) : start_leaving(e, p, err);
}

/* Those between `from` and `to` that are on their way. */
static int finish_some(struct restore_engine *e, size_t from, size_t to, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = to; i-- > from && r == 0;) {
		struct restored *p = &e->at[i];
		if (!p->leaving)
			continue;
		if (!p->entered)
			scratch_enter(&p->threads[restore_first_live(p->p)]);
		r = finish_leaving(p, err);
	}
	return r;
}

/* One whose stop is shown to its parent takes its turn alone: the parent has work with it then. */
static int registers_of_stopped(struct restore_engine *e, size_t i, size_t to, struct pidspace_error *err)
{
	int r = finish_some(e, i + 1, to, err);

	if (r == 0)
		r = registers_of(e, i, err);
	if (r == 0)
		r = finish_some(e, i, i + 1, err);
	if (r == 0)
		r = stop_again(&e->at[i], err);
	return r == 0 ? hush_parent(e, &e->at[i], err) : r;
}

#define AHEAD 16 /* processes that a step has under way before the first of them is waited for */

/* Children first: a stopped child's parent still has something to do. Each step of the call that takes the scratch
 * memory away is some processes ahead of the one that waits for it. */
int restore_registers(struct restore_engine *e, struct pidspace_error *err)
{
	size_t n = e->plan.n;
	int r = 0;

	for (size_t i = n; i-- > 0 && r == 0;) {
		size_t to = i + 2 * AHEAD < n ? i + 2 * AHEAD : n;
		struct restored *p = &e->at[i];
		if (restore_is_live(p))
			r = p->p->stop_signal ? registers_of_stopped(e, i, to, err) : registers_of(e, i, err);
		if (i + AHEAD < n && p[AHEAD].leaving) {
			scratch_enter(&p[AHEAD].threads[restore_first_live(p[AHEAD].p)]);
			p[AHEAD].entered = true;
		}
		if (r == 0 && to < n)
			r = finish_some(e, to, to + 1, err);
	}
	return r == 0 ? finish_some(e, 0, 2 * AHEAD < n ? 2 * AHEAD : n, err) : r;
}
