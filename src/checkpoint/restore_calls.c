/* Calls that were waiting when the tree was stopped.
 *
 * Most restart by themselves: the registers say -ERESTARTSYS and the like, and the kernel acts on that when
 * it lets the task go. Those with a relative time-out answer -ERESTART_RESTARTBLOCK and keep the deadline in the
 * kernel, where nobody can put it. So the call is issued again in the new task, with what is left of the
 * time, and interrupted: now the kernel has its restart state, and the registers can be set as saved. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"

#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516

static uint64_t left_ns(uint64_t asked, uint64_t elapsed)
{
	return elapsed < asked ? asked - elapsed : 1000;
}

/* The timespec at address, less what has passed, placed in scratch memory. Returns its address, 0: none. */
static uint64_t shorter_timespec(struct tracee *t, uint64_t address, uint64_t elapsed)
{
	struct timespec ts;
	uint64_t at = t->slot + t->slot_size - 64, ns;

	if (!address || tracee_read(t, address, &ts, sizeof ts) < 0)
		return 0;
	ns = left_ns((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec, elapsed);
	ts.tv_sec = (time_t)(ns / 1000000000);
	ts.tv_nsec = (long)(ns % 1000000000);
	return tracee_write(t, at, &ts, sizeof ts) < 0 ? 0 : at;
}

/* Runs the call until it waits, then interrupts it. *ret_rax: -ERESTART_RESTARTBLOCK, or what it returned at once. */
static int issue(struct tracee *t, const struct user_regs_struct *r, int64_t *ret_rax)
{
	struct user_regs_struct now;
	int status, e;

	e = tracee_set_regs(t, r);
	if (e == 0)
		e = tracee_set_mask(t, ~UINT64_C(0));
	if (e < 0)
		return e;
	/* Entry stop first: an interrupt before it would be over before the call begins. */
	ptrace(PTRACE_SYSCALL, t->tid.n, NULL, NULL);
	e = tracee_wait(t, &status);
	if (e < 0)
		return e;
	tracee_interrupt(t);
	do {
		ptrace(PTRACE_CONT, t->tid.n, NULL, NULL);
		e = tracee_wait(t, &status);
		if (e < 0)
			return e;
	} while (status >> 16 != PTRACE_EVENT_STOP);
	if (ptrace(PTRACE_GETREGS, t->tid.n, NULL, &now) < 0)
		return -errno;
	*ret_rax = (int64_t)now.rax;
	return 0;
}

int restore_call(struct tracee *t, const Thread *th, struct user_regs_struct *ret,
		 struct pidspace_error *err)
{
	struct user_regs_struct r = *ret;
	int64_t rax = -EINTR;
	int e = 0;

	if ((int64_t)r.orig_rax < 0 || (int64_t)r.rax != -ERESTART_RESTARTBLOCK)
		return 0;
	uint64_t nr = r.orig_rax, el = th->call_elapsed_ns;
	r.rax = nr;
	r.orig_rax = (unsigned long)-1;
	r.rip -= 2;
	switch (nr) {
	case SYS_nanosleep:
		r.rdi = shorter_timespec(t, r.rdi, el);
		break;
	case SYS_clock_nanosleep:
		r.rdx = shorter_timespec(t, r.rdx, el);
		break;
	case SYS_poll:
		r.rdx = (left_ns((uint64_t)(int)r.rdx * 1000000, el) + 999999) / 1000000;
		break;
	case SYS_futex:
		if ((r.rsi & 127) == 0)
			r.r10 = shorter_timespec(t, r.r10, el);
		break;
	default:
		nr = UINT64_MAX;
	}
	if (nr != UINT64_MAX)
		e = issue(t, &r, &rax);
	if (e < 0)
		return error_sys(err, e, "cannot restart the interrupted call of thread %d", th->tid);
	ret->rax = (uint64_t)rax;
	if (rax != -ERESTART_RESTARTBLOCK && !(rax <= -ERESTARTSYS && rax >= -ERESTARTSYS - 2))
		ret->orig_rax = (unsigned long)-1;
	return 0;
}
