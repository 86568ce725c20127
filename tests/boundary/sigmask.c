/* Calls that wait under a signal mask of their own, and the mask itself. SIGSYS is in all sets. */
#include "case.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <ucontext.h>

static volatile int calls;

static void count(int sig)
{
	raw(SYS_getppid); /* under the mask of the call */
	calls++;
}

static uint64_t mask_now(void)
{
	uint64_t m;

	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &m, 8));
	return m;
}

static void is_told_as_set(void)
{
	uint64_t unblockable = 1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1), all = ~0ULL, old = 1;

	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8));
	BD_EQ(old, 0);
	BD_EQ(mask_now(), bd_blocked(all & ~unblockable));
	all = 1ULL << (SIGSYS - 1);
	BD_DO(raw(SYS_rt_sigprocmask, SIG_UNBLOCK, &all, &old, 8));
	BD_EQ(mask_now(), ~all & ~unblockable);
	BD_EQ(old, bd_blocked(~unblockable));
	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
	BD_EQ(mask_now(), bd_blocked(all));
	BD_OP(raw(SYS_getpid), >, 1);
	BD_ERR(raw(SYS_rt_sigprocmask, 7, &all, NULL, 8), EINVAL);
	BD_ERR(raw(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 4), EINVAL);
	BD_ERR(raw(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), EFAULT);
}

/* A pending signal is let in by the mask of the call, and blocked again after it. */
static void under_a_mask(void)
{
	uint64_t usr1 = 1ULL << (SIGUSR1 - 1), sys = 1ULL << (SIGSYS - 1), both = usr1 | sys;
	struct timespec t = { .tv_sec = 20 };
	struct epoll_event e;
	struct {
		uint64_t *set;
		size_t size;
	} six = { &sys, 8 };
	int ep = BD_SYS(epoll_create1(0));
	struct sigaction sa = { .sa_handler = count };
	unsigned long aio = 0;
	char event[32];

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &both, NULL, 8));
	BD_DO(raw(SYS_io_setup, 1, &aio));
	for (int i = 0; i < 7; i++) {
		long r;

		BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
		BD_EQ(calls, i);
		switch (i) {
		case 0: r = raw(SYS_rt_sigsuspend, &sys, 8); break;
		case 1: r = raw(SYS_ppoll, NULL, 0, &t, &sys, 8); break;
		case 2: r = raw(SYS_pselect6, 0, NULL, NULL, NULL, &t, &six); break;
		case 3: r = raw(SYS_epoll_pwait, ep, &e, 1, 20000, &sys, 8); break;
		case 4: r = raw(SYS_epoll_pwait2, ep, &e, 1, &t, &sys, 8); break;
		case 5: r = raw(SYS_io_pgetevents, aio, 1, 1, event, NULL, &six); break;
		default: r = raw(SYS_io_pgetevents, aio, 1, 1, event, &t, &six); break;
		}
		BD_EQ(r, -EINTR);
		BD_EQ(calls, i + 1);
		BD_EQ(mask_now(), bd_blocked(both));
	}
}

/* The mask is set before the old one is told. Often: from one place, by each way. */
static void set_though_the_old_one_cannot_be_told(void)
{
	for (int i = 0; i < 100; i++) {
		uint64_t set = 1ULL << (i % 2 ? SIGUSR1 - 1 : SIGUSR2 - 1);

		BD_ERR(raw(SYS_rt_sigprocmask, SIG_SETMASK, &set, 8, 8), EFAULT);
		BD_EQ(mask_now(), set);
		BD_ERR(raw(SYS_rt_sigprocmask, SIG_SETMASK, NULL, 8, 8), EFAULT);
	}
}

static void block_by_the_frame(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	sigaddset(&uc->uc_sigmask, SIGSYS);
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	calls++;
}

/* The same, but it goes back by a call of its own instead of to its caller. */
static void return_by_itself(int sig, siginfo_t *si, void *context)
{
	block_by_the_frame(sig, si, context);
	__asm__ volatile("mov %0, %%rsp\n\tsyscall" : : "r"(context), "a"(SYS_rt_sigreturn) : "memory");
}

static void ask_for_a_pid(void *arg)
{
	BD_OP(raw(SYS_getpid), >, 1);
}

static void handlers_block_by_their_frames(void)
{
	uint64_t usr1 = 1ULL << (SIGUSR1 - 1), usr2 = 1ULL << (SIGUSR2 - 1), sys = 1ULL << (SIGSYS - 1), none = 0;

	for (int i = 0; i < 6; i++) {
		struct sigaction sa = { .sa_sigaction = i % 2 ? return_by_itself : block_by_the_frame,
					.sa_flags = SA_SIGINFO };

		sigfillset(&sa.sa_mask);
		BD_SYS(sigaction(SIGUSR1, &sa, NULL));
		BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, NULL, 8));
		BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
		BD_DO(raw(SYS_rt_sigprocmask, i < 3 ? SIG_UNBLOCK : SIG_SETMASK, i < 3 ? &usr1 : &none, NULL, 8));
		BD_EQ(calls, i + 1);
		BD_OP(raw(SYS_getpid), >, 1);
		BD_EQ(mask_now(), bd_blocked(usr2 | sys));
		bd_reap_ok(bd_child(ask_for_a_pid, NULL));
		BD_DO(raw(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8));
	}
}

const struct bd_case bd_cases[] = {
	{ "the mask is told as it was set", is_told_as_set },
	{ "calls that wait under a mask of their own", under_a_mask },
	{ "the mask is set though the old one cannot be told", set_though_the_old_one_cannot_be_told },
	{ "handlers block signals by their frames", handlers_block_by_their_frames },
	{},
};
