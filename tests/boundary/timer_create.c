/* timer_create: SIGEV_THREAD_ID names a thread. */
#include "case.h"

#include <pthread.h>

struct event {
	union sigval value;
	int signo, notify, tid, pad[13]; /* struct sigevent of the kernel */
};

static struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
static _Atomic int tid_seen, tid_of_thread, stop;

static void on_timer(int sig, siginfo_t *si, void *context)
{
	if (si->si_code == SI_TIMER && si->si_value.sival_int == 77)
		tid_seen = (int)raw(SYS_gettid);
}

static void *body(void *arg)
{
	tid_of_thread = (int)raw(SYS_gettid);
	while (!stop)
		raw(SYS_sched_yield);
	return NULL;
}

static void a_threads_timer(void)
{
	struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };
	struct event e = { .signo = SIGRTMIN, .notify = SIGEV_SIGNAL | SIGEV_THREAD_ID, .value.sival_int = 77 };
	pthread_t t;
	int id;

	BD_SYS(sigaction(SIGRTMIN, &sa, NULL));
	BD_PT(pthread_create(&t, NULL, body, NULL));
	BD_UNTIL(tid_of_thread);
	e.tid = tid_of_thread;
	BD_DO(raw(SYS_timer_create, CLOCK_MONOTONIC, &e, &id));
	BD_EQ(e.tid, tid_of_thread);
	BD_DO(raw(SYS_timer_settime, id, 0, &soon, NULL));
	BD_UNTIL(tid_seen);
	BD_EQ(tid_seen, tid_of_thread);
	stop = 1;
	BD_PT(pthread_join(t, NULL));
}

static void threads_of_others(void)
{
	struct event e = { .signo = SIGRTMIN, .notify = SIGEV_SIGNAL | SIGEV_THREAD_ID };
	pid_t child = bd_sleeper();
	int id;

	e.tid = child;
	BD_ERR(raw(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
	BD_OUTSIDE_ERR(({
			       e.tid = outside;
			       raw(SYS_timer_create, CLOCK_MONOTONIC, &e, &id);
		       }),
		       EINVAL);
	bd_end(child);
}

static void without_an_event(void)
{
	siginfo_t si;
	sigset_t set;
	int id;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	BD_DO(raw(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id));
	BD_DO(raw(SYS_timer_settime, id, 0, &soon, NULL));
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGALRM);
	BD_EQ(si.si_code, SI_TIMER);
	BD_EQ(si.si_value.sival_int, id);
	BD_EQ(si.si_timerid, id); /* where si_pid lies in other signals */
	BD_EQ(si.si_overrun, 0);
}

/* The clock of a process, as clockid_t: ~pid << 3 | CPUCLOCK_SCHED. */
static void on_the_clock_of_a_process(void)
{
	pid_t child = bd_sleeper();
	int id;

	BD_DO(raw(SYS_timer_create, ~(long)child << 3 | 2, NULL, &id));
	BD_OUTSIDE_ERR(raw(SYS_timer_create, ~(long)outside << 3 | 2, NULL, &id), EINVAL);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "a timer of one thread", a_threads_timer },
	{ "threads of other processes, and nobody's", threads_of_others },
	{ "a timer without an event", without_an_event },
	{ "on the clock of another process", on_the_clock_of_a_process },
	{},
};
