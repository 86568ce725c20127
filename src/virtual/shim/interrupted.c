/* What a handler sees of the program it interrupts. A trapped call is made in the shim, and a signal comes there. But who looks at
 * the instruction pointer in its handler, to tell whether a call was made already (a library that cancels threads, valgrind),
 * knows its own syscall instruction only. So at the gate, where calls that wait are interrupted,
 *
 * - a call that the kernel has undone, to make it again, or ended with EINTR: the frame is made to show the guest at its own
 *   instruction, and what the handler makes of that holds. The trap has left nothing behind and is forgotten.
 * - a call that is over: the signal waits until the guest has its result. */
#include "virtual/shim/trap.h"

extern const char shim_native_return[];

static void show_guest(struct ucontext *uc, const struct trap *t, bool undone)
{
	struct sigcontext *m = (struct sigcontext *)&uc->uc_mcontext;
	const struct sigcontext *guest = (const struct sigcontext *)&t->uc->uc_mcontext;

	/* All general registers and the flags: they lie first in either. Vector registers are the guest's in any case. */
	__builtin_memcpy(m, guest, __builtin_offsetof(struct sigcontext, cs));
	if (undone)
		m->rip -= 2;
	else
		m->rax = (unsigned long)-EINTR;
	uc->uc_stack = t->uc->uc_stack;
}

/* Sends the signal again, to be taken when the frame of SIGSYS brings back the guest's mask. */
static bool put_off(int sig, siginfo_t *info, struct ucontext *uc)
{
	struct sigaction now;

	/* A queue would lose its order, the kernel counts what its timers send, and an action that was reset is lost. */
	if (sig >= SIGRTMIN || info->si_code == SI_TIMER || CALL4(__NR_rt_sigaction, sig, 0, &now, 8) < 0 ||
	    now.sa_handler == SIG_DFL)
		return false;
	*(uint64_t *)&uc->uc_sigmask |= SIG_BIT(sig);
	CALL4(__NR_rt_sigprocmask, SIG_BLOCK, &(uint64_t){SIG_BIT(sig)}, 0, 8); /* with SA_NODEFER it is not */
	return CALL4(__NR_rt_tgsigqueueinfo, CALL0(__NR_getpid), CALL0(__NR_gettid), sig, info) == 0;
}

/* Of a signal for the guest, before its handler is called. True: not now. */
bool shim_interrupted(int sig, siginfo_t *info, struct ucontext *uc)
{
	const struct sigcontext *m = (const struct sigcontext *)&uc->uc_mcontext;
	bool undone = m->rip == SHIM_GATE - 2; /* to be made again, or not made yet */
	const struct trap *t = (const struct trap *)m->rbx;

	if ((!undone && m->rip != SHIM_GATE) || *(const uint64_t *)m->rsp != (uint64_t)shim_native_return)
		return false;
	if (!t->uc)
		return false; /* by the short way: the guest's registers lie elsewhere, and it is a library's plain wrapper */
	if (!undone && (long)m->rax != -EINTR)
		return put_off(sig, info, uc);
	show_guest(uc, t, undone);
	return false;
}
