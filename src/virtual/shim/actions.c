/* Signal actions and masks. Two things must hold for the guest to go on being translated: SIGSYS stays unblocked
 * with the shim as its handler, and what a handler is told of a sender is a number of the container's. (Masks that are read do
 * not show SIGSYS either: asking for the mask is what sigsetjmp(3) does, too often to be trapped.)
 *
 * So the kernel's handler of every signal the guest catches is SHIM_ENTRY_HANDLER. Which one the guest wants is
 * kept by the kernel itself, in sa_restorer: that comes back on the stack with every delivery, follows
 * fork(2), CLONE_SIGHAND and exec(2) as the rest of the action does, and needs no table here. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#define SA_EXPOSE_TAGBITS_ 0x800ul /* without a meaning on x86: remembers that SIGSYS was in the mask */

/* What vpid 1 never gets by default, because the default would stop or end it (signal(7)); SIGKILL and SIGSTOP
 * cannot be ignored. */
#define HARMLESS (SIG_BIT(SIGCHLD) | SIG_BIT(SIGCONT) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGKILL) | \
		  SIG_BIT(SIGSTOP) | SIG_BIT(SIGSYS))

static long sigsys_action(const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before = own()->sigsys;

	if (act)
		own()->sigsys = *act;
	if (old) {
		/* Somewhere the kernel can be made to write it, or not. */
		long r = CALL4(__NR_rt_sigaction, SIGSYS, 0, old, 8);
		if (r < 0)
			return r;
		*old = before;
	}
	return 0;
}

static bool is_caught(const struct sigaction *a)
{
	return a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN;
}

static void wrap(struct sigaction *a)
{
	if (a->sa_mask & SIG_BIT(SIGSYS))
		a->sa_flags |= SA_EXPOSE_TAGBITS_;
	a->sa_mask &= ~SIG_BIT(SIGSYS);
	if (!is_caught(a))
		return;
	a->sa_restorer = (__sigrestore_t)a->sa_handler;
	a->sa_handler = (__sighandler_t)SHIM_ENTRY_HANDLER;
}

static void unwrap(struct sigaction *a, __sigrestore_t restorer, bool once)
{
	if (a->sa_handler == (__sighandler_t)SHIM_ENTRY_HANDLER) {
		a->sa_handler = (__sighandler_t)a->sa_restorer;
		a->sa_restorer = restorer;
		if (once)
			a->sa_flags |= SA_RESETHAND;
	}
	if (a->sa_flags & SA_EXPOSE_TAGBITS_) {
		a->sa_flags &= ~SA_EXPOSE_TAGBITS_;
		a->sa_mask |= SIG_BIT(SIGSYS);
	}
}

/* Of vpid 1 a default that would end it is kept as "ignored", and a note that it is none of the guest's. */
static void default_of_init(int sig, struct sigaction *a)
{
	uint64_t bit = SIG_BIT(sig);

	if (a->sa_handler == SIG_DFL && !(HARMLESS & bit)) {
		a->sa_handler = SIG_IGN;
		__atomic_or_fetch(&common()->init_default, bit, __ATOMIC_RELAXED);
	} else {
		__atomic_and_fetch(&common()->init_default, ~bit, __ATOMIC_RELAXED);
	}
}

static uint64_t *once_of(bool init)
{
	return &own()->once[!init];
}

/* What belongs to an action of the guest's and cannot be left to the kernel. An action with SA_RESETHAND would be the true
 * default after its signal, which ends vpid 1 where a namespace's init lives on: it is taken back in shim_deliver(). */
static void note(int sig, struct sigaction *a, bool init)
{
	uint64_t *once = once_of(init);

	own()->restorer[sig - 1] = (uint64_t)a->sa_restorer;
	if (init && (a->sa_flags & SA_RESETHAND) && is_caught(a)) {
		__atomic_or_fetch(once, SIG_BIT(sig), __ATOMIC_RELAXED);
		a->sa_flags &= ~(unsigned long)SA_RESETHAND;
	} else {
		__atomic_and_fetch(once, ~SIG_BIT(sig), __ATOMIC_RELAXED);
	}
}

SPECIAL(actions_sigaction)
{
	int sig = (int)t->arg[0];
	const struct sigaction *act = (const void *)t->arg[1];
	struct sigaction *old = (void *)t->arg[2], a;
	uint64_t ours = common()->init_default;
	__sigrestore_t restorer;
	bool init, once;
	long e;

	if (sig < 1 || sig > 64 || t->arg[3] != 8)
		return trap_native(t);
	if (act && !guest_readable(act, sizeof a))
		return -EFAULT;
	if (sig == SIGSYS)
		return sigsys_action(act, old);
	init = ids_is_init();
	restorer = (__sigrestore_t)own()->restorer[sig - 1];
	once = *once_of(init) & SIG_BIT(sig);
	if (act) {
		a = *act;
		note(sig, &a, init);
		wrap(&a);
		if (init)
			default_of_init(sig, &a);
	}
	e = CALL4(__NR_rt_sigaction, sig, act ? &a : 0, old, 8);
	if (e == 0 && old) {
		unwrap(old, restorer, once);
		if (init && old->sa_handler == SIG_IGN && (ours & SIG_BIT(sig)))
			old->sa_handler = SIG_DFL;
	}
	return e;
}

/* As the kernel does it before the handler runs: all but the handler stays (kernel/signal.c get_signal()). */
static __attribute__((noinline)) void reset(int sig)
{
	struct sigaction a;

	if (CALL4(__NR_rt_sigaction, sig, 0, &a, 8) < 0 || a.sa_handler != (__sighandler_t)SHIM_ENTRY_HANDLER)
		return;
	a.sa_handler = SIG_DFL;
	a.sa_restorer = (__sigrestore_t)own()->restorer[sig - 1];
	a.sa_flags |= SA_RESETHAND;
	if (ids_is_init())
		default_of_init(sig, &a);
	CALL4(__NR_rt_sigaction, sig, &a, 0, 8);
}

/* A signal is about to be handled by the guest. */
void shim_deliver(int sig, siginfo_t *info)
{
	shim_translate_info(info);
	if (((own()->once[0] | own()->once[1]) & SIG_BIT(sig)) &&
	    (__atomic_fetch_and(once_of(ids_is_init()), ~SIG_BIT(sig), __ATOMIC_RELAXED) & SIG_BIT(sig)))
		reset(sig);
}

/* A child of vpid 1 is an ordinary process: what was ignored in init's place is the default again. */
void actions_default(uint64_t signals)
{
	struct sigaction a = {.sa_handler = SIG_DFL};

	for (int sig = 1; sig <= 64; sig++)
		if (signals & SIG_BIT(sig))
			CALL4(__NR_rt_sigaction, sig, &a, 0, 8);
}

/* By the short way there is no frame: the thread's mask is the guest's. */
static long mask_now(const struct trap *t)
{
	uint64_t set;

	if (t->arg[1] && t->arg[3] == 8) {
		if (!guest_readable((const void *)t->arg[1], 8))
			return -EFAULT;
		set = *(const uint64_t *)t->arg[1] & ~SIG_BIT(SIGSYS);
		return CALL4(t->nr, t->arg[0], &set, t->arg[2], 8);
	}
	return trap_native(t);
}

/* The frame's mask is the guest's, and becomes it again on return. */
SPECIAL(actions_procmask)
{
	uint64_t *mask = (uint64_t *)&t->uc->uc_sigmask, set = 0;
	const uint64_t *want = (const void *)t->arg[1];

	if (!t->uc)
		return mask_now(t);
	if (t->arg[3] != 8)
		return -EINVAL;
	if (want) {
		if (!guest_readable(want, 8))
			return -EFAULT;
		set = *want & ~(SIG_BIT(SIGSYS) | SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
		if (t->arg[0] < SIG_BLOCK || t->arg[0] > SIG_SETMASK)
			return -EINVAL;
	}
	if (want)
		*mask = t->arg[0] == SIG_BLOCK ? *mask | set : t->arg[0] == SIG_UNBLOCK ? *mask & ~set : set;
	/* The mask of this moment is the old one. That it cannot be told changes nothing about the new one. */
	return t->arg[2] ? CALL4(__NR_rt_sigprocmask, SIG_BLOCK, 0, t->arg[2], 8) : 0;
}

/* A frame of the guest's own making, or its handler returns in its own way: the ucontext is where the stack pointer is. It is
 * looked at, and the call made when the frame of this signal is gone. */
SPECIAL(actions_sigreturn)
{
	struct sigcontext *m = (struct sigcontext *)&t->uc->uc_mcontext;
	uint64_t *mask = (uint64_t *)&((struct ucontext *)m->rsp)->uc_sigmask, set;

	if (guest_readable(mask, sizeof set) && (*mask & SIG_BIT(SIGSYS))) {
		set = *mask & ~SIG_BIT(SIGSYS);
		guest_write(mask, &set, sizeof set);
	}
	m->rip = SHIM_GATE - 2; /* the syscall instruction */
	return 0;
}

/* ppoll, pselect6, epoll_pwait, epoll_pwait2, io_pgetevents, rt_sigsuspend: their masks lose SIGSYS. */
SPECIAL(actions_masked_wait)
{
	bool pack = t->nr == __NR_pselect6 || t->nr == __NR_io_pgetevents; /* address and size of the set lie in memory */
	struct {
		const uint64_t *set;
		unsigned long size;
	} packed;
	uint64_t set;
	const uint64_t *want;
	int at = t->nr == __NR_rt_sigsuspend ? 0 : t->nr == __NR_ppoll ? 3 : 4;

	if (pack) {
		if (!t->arg[5])
			return trap_native(t);
		if (!guest_readable((void *)t->arg[5], sizeof packed)) {
			t->arg[5] = NOWHERE;
			return trap_native(t);
		}
		__builtin_memcpy(&packed, (void *)t->arg[5], sizeof packed);
		want = packed.set;
	} else {
		want = (const void *)t->arg[at];
	}
	if (!want)
		return trap_native(t);
	if (guest_readable(want, 8)) {
		set = *want & ~SIG_BIT(SIGSYS);
		want = &set;
	} else {
		want = (const uint64_t *)NOWHERE;
	}
	if (pack) {
		packed.set = want;
		t->arg[5] = (long)&packed;
	} else {
		t->arg[at] = (long)want;
	}
	return trap_native(t);
}

/* A SIGSYS of the guest's own: from its filter, or sent. */
long actions_own_sigsys(siginfo_t *info, struct ucontext *uc)
{
	struct sigaction a = own()->sigsys;
	uint64_t set = SIG_BIT(SIGSYS);

	if (info->si_code <= 0 && (a.sa_handler == SIG_IGN || (a.sa_handler == SIG_DFL && ids_is_init())))
		return 0;
	if (is_caught(&a)) {
		if (a.sa_flags & SA_RESETHAND)
			own()->sigsys.sa_handler = SIG_DFL;
		set = a.sa_mask & ~set;
		CALL4(__NR_rt_sigprocmask, SIG_BLOCK, &set, 0, 8);
		shim_translate_info(info);
		((void (*)(int, siginfo_t *, void *))(void *)a.sa_handler)(SIGSYS, info, uc);
		*(uint64_t *)&uc->uc_sigmask &= ~SIG_BIT(SIGSYS);
		return 0;
	}
	a = (struct sigaction){.sa_handler = SIG_DFL};
	CALL4(__NR_rt_sigaction, SIGSYS, &a, 0, 8);
	CALL4(__NR_rt_sigprocmask, SIG_UNBLOCK, &set, 0, 8);
	CALL3(__NR_tgkill, CALL0(__NR_getpid), CALL0(__NR_gettid), SIGSYS);
	return 0;
}
