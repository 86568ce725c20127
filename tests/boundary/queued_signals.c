/* Signals in great numbers: none lost that is queued, in order, and each tells its sender. */
#include "case.h"

#include <sys/resource.h>

enum { MANY = 10000 };

static int *next;
static pid_t sender;

static void in_order(int sig, siginfo_t *si, void *context)
{
	if (si->si_value.sival_int != *next || si->si_pid != sender || si->si_code != SI_QUEUE)
		BD_FAIL("signal %d: value %d from %d, code %d", *next, si->si_value.sival_int, si->si_pid,
			si->si_code);
	(*next)++;
}

static void send_many(void *arg)
{
	siginfo_t si = { .si_code = SI_QUEUE };

	si.si_pid = (pid_t)raw(SYS_getpid);
	si.si_uid = getuid();
	for (int i = 0; i < MANY; i++) {
		long r;

		si.si_value.sival_int = i;
		while ((r = raw(SYS_rt_sigqueueinfo, raw(SYS_getppid), SIGRTMIN, &si)) == -EAGAIN)
			sched_yield();
		BD_DO(r);
	}
}

static void ten_thousand_by_handler(void)
{
	struct sigaction sa = { .sa_sigaction = in_order, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t set, old;

	next = bd_shared(4096);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, &old));
	BD_SYS(sigaction(SIGRTMIN, &sa, NULL));
	sender = bd_child(send_many, NULL);
	BD_SYS(sigprocmask(SIG_SETMASK, &old, NULL));
	bd_reap_ok(sender);
	BD_UNTIL(*(volatile int *)next == MANY);
}

static void ten_thousand_waited_for(void)
{
	struct rlimit r;
	sigset_t set;
	siginfo_t si;

	BD_SYS(getrlimit(RLIMIT_SIGPENDING, &r));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	sender = bd_child(send_many, NULL);
	if (r.rlim_cur > MANY + 1000)
		bd_reap_ok(sender);
	for (int i = 0; i < MANY; i++) {
		BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGRTMIN);
		BD_EQ(si.si_value.sival_int, i);
		BD_EQ(si.si_pid, sender);
	}
}

static volatile int ping;

static void on_ping(int sig, siginfo_t *si, void *context)
{
	if (si->si_pid != sender && si->si_pid != (pid_t)raw(SYS_getpid))
		BD_FAIL("from %d", si->si_pid);
	ping++;
}

static void storm(void *done)
{
	while (!*(volatile int *)done)
		raw(SYS_kill, raw(SYS_getppid), SIGUSR1);
}

/* Calls go on being answered rightly under a storm of signals. */
static void calls_in_a_storm(void)
{
	struct sigaction sa = { .sa_sigaction = on_ping, .sa_flags = SA_SIGINFO | SA_RESTART };
	int *done = bd_shared(4096);
	long mine = raw(SYS_getpid), group = raw(SYS_getpgrp);
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, &old));
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	sender = bd_child(storm, done);
	BD_SYS(sigprocmask(SIG_SETMASK, &old, NULL));
	for (int i = 0; i < 300 || ping < 300; i++) {
		long child;

		BD_EQ(raw(SYS_getpid), mine);
		BD_EQ(raw(SYS_getppid), 1);
		BD_EQ(raw(SYS_getpgid, sender), group);
		if (i % 10 == 0) {
			child = BD_DO(raw(SYS_fork));
			if (child == 0)
				raw(SYS_exit, raw(SYS_getppid) != mine);
			bd_reap_ok((pid_t)child);
		}
	}
	*done = 1;
	bd_reap_ok(sender);
}

const struct bd_case bd_cases[] = {
	{ "10,000 to a handler, in order", ten_thousand_by_handler },
	{ "10,000 waited for, in order", ten_thousand_waited_for },
	{ "calls in a storm of signals", calls_in_a_storm },
	{},
};
