/* rt_sigtimedwait: who sent it, and how long it waited. */
#include "case.h"

static sigset_t blocked(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	sigaddset(&set, b);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	return set;
}

static void kill_parent(void *sig)
{
	BD_DO(raw(SYS_kill, raw(SYS_getppid), *(int *)sig));
}

static void tells_the_sender(void)
{
	sigset_t set = blocked(SIGUSR1, SIGCHLD);
	struct timespec limit = { .tv_sec = 20 };
	int usr1 = SIGUSR1, seen = 0;
	pid_t child = bd_child(kill_parent, &usr1);

	for (int i = 0; i < 2; i++) {
		siginfo_t si;
		long sig = BD_DO(raw(SYS_rt_sigtimedwait, &set, &si, &limit, 8));

		BD_EQ(si.si_signo, sig);
		BD_EQ(si.si_pid, child);
		BD_EQ(si.si_uid, getuid());
		seen |= sig == SIGUSR1 ? 1 : 2;
	}
	BD_EQ(seen, 3);
	bd_reap_ok(child);
}

static void without_siginfo(void)
{
	sigset_t set = blocked(SIGUSR1, SIGUSR2);

	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR2));
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, NULL, NULL, 8), SIGUSR2);
}

static void time_runs_out(void)
{
	sigset_t set = blocked(SIGUSR1, SIGUSR2);
	struct timespec t = { .tv_nsec = 1000000 }, zero = {}, bad = { .tv_nsec = 2000000000 };
	siginfo_t si;

	BD_ERR(raw(SYS_rt_sigtimedwait, &set, &si, &t, 8), EAGAIN);
	BD_ERR(raw(SYS_rt_sigtimedwait, &set, &si, &zero, 8), EAGAIN);
	BD_ERR(raw(SYS_rt_sigtimedwait, &set, &si, &bad, 8), EINVAL);
	BD_ERR(raw(SYS_rt_sigtimedwait, &set, &si, &zero, 7), EINVAL);
	BD_ERR(raw(SYS_rt_sigtimedwait, 8, &si, &zero, 8), EFAULT);
}

/* Signals waited for that are not there yet when a bad address is given: the signal is lost, the
 * process is not. */
static void bad_address_for_siginfo(void)
{
	sigset_t set = blocked(SIGUSR1, SIGUSR2);
	struct timespec zero = {};

	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_ERR(raw(SYS_rt_sigtimedwait, &set, 8, &zero, 8), EFAULT);
	BD_ERR(raw(SYS_rt_sigtimedwait, &set, NULL, &zero, 8), EAGAIN);
}

static void handler(int sig)
{
}

static void interrupt_parent(void *arg)
{
	bd_await_asleep((pid_t)raw(SYS_getppid));
	BD_DO(raw(SYS_kill, raw(SYS_getppid), SIGALRM));
}

static void another_signal_interrupts(void)
{
	sigset_t set = blocked(SIGUSR1, SIGUSR2);
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pid_t child;

	BD_SYS(sigaction(SIGALRM, &sa, NULL));
	child = bd_child(interrupt_parent, NULL);
	BD_ERR(raw(SYS_rt_sigtimedwait, &set, NULL, NULL, 8), EINTR);
	bd_reap_ok(child);
}

const struct bd_case bd_cases[] = {
	{ "tells the sender", tells_the_sender },
	{ "without siginfo", without_siginfo },
	{ "time runs out", time_runs_out },
	{ "a bad address loses the signal", bad_address_for_siginfo },
	{ "a handler of another signal interrupts it", another_signal_interrupts },
	{},
};
