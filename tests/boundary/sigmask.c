/* Calls that wait under a signal mask of their own, and the mask itself. SIGSYS is in all sets. */
#include "case.h"

#include <sys/epoll.h>
#include <sys/select.h>

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

const struct bd_case bd_cases[] = {
	{ "the mask is told as it was set", is_told_as_set },
	{ "calls that wait under a mask of their own", under_a_mask },
	{},
};
