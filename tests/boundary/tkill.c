/* tkill and tgkill: one thread. */
#include "case.h"

#include <pthread.h>

struct thread {
	_Atomic int tid, stop;
	siginfo_t si;
	_Atomic int got_tid;
};

static __thread struct thread *self;

static void keep(int sig, siginfo_t *si, void *context)
{
	if (self) {
		self->si = *si;
		self->got_tid = (int)raw(SYS_gettid);
	}
}

static void *body(void *arg)
{
	self = arg;
	self->tid = (int)raw(SYS_gettid);
	while (!self->stop)
		raw(SYS_sched_yield);
	return NULL;
}

static void a_thread_of_ours(void)
{
	struct sigaction sa = { .sa_sigaction = keep, .sa_flags = SA_SIGINFO };
	pid_t mine = (pid_t)raw(SYS_getpid), other = bd_sleeper();
	struct thread t = {};
	pthread_t p;

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	BD_PT(pthread_create(&p, NULL, body, &t));
	BD_UNTIL(t.tid);
	BD_DO(raw(SYS_tgkill, mine, t.tid, SIGUSR1));
	BD_UNTIL(t.got_tid);
	BD_EQ(t.got_tid, t.tid);
	BD_EQ(t.si.si_pid, mine);
	BD_EQ(t.si.si_code, SI_TKILL);
	t.got_tid = 0;
	BD_DO(raw(SYS_tkill, t.tid, SIGUSR1));
	BD_UNTIL(t.got_tid);
	BD_ERR(raw(SYS_tgkill, other, t.tid, SIGUSR1), ESRCH);
	BD_ERR(raw(SYS_tgkill, t.tid, t.tid, SIGUSR1), ESRCH);
	BD_ERR(raw(SYS_tgkill, mine, other, SIGUSR1), ESRCH);
	/* kill() takes a thread's number for its process. */
	BD_DO(raw(SYS_kill, t.tid, 0));
	t.stop = 1;
	BD_PT(pthread_join(p, NULL));
	BD_UNTIL(raw(SYS_tkill, t.tid, 0) == -ESRCH);
	bd_end(other);
}

static void bad_numbers(void)
{
	pid_t mine = (pid_t)raw(SYS_getpid);

	BD_ERR(raw(SYS_tkill, 0, 0), EINVAL);
	BD_ERR(raw(SYS_tkill, -1, 0), EINVAL);
	BD_ERR(raw(SYS_tgkill, 0, mine, 0), EINVAL);
	BD_ERR(raw(SYS_tgkill, mine, 0, 0), EINVAL);
	BD_ERR(raw(SYS_tgkill, mine, mine, 65), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_tkill, outside, 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_tkill, outside, SIGKILL), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_tgkill, outside, outside, 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_tgkill, mine, outside, 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_tgkill, outside, mine, 0), ESRCH);
}

const struct bd_case bd_cases[] = {
	{ "a thread of the own process", a_thread_of_ours },
	{ "numbers of nobody", bad_numbers },
	{},
};
