/* Shows: POSIX timers keep their ids, their time, their signals and what they have overrun.
 *
 *	first ── child with timers 0, (1 deleted), 2, (3 deleted), 4, 5
 */
#include "kindtest.h"

enum { SIG = 41 };

static int make(clockid_t clock, int notify, int sig, int value)
{
	struct sigevent e = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = value};
	int id = -1;

	if (notify == SIGEV_THREAD_ID)
		e._sigev_un._tid = kt_gettid();
	KT_SYS(syscall(SYS_timer_create, clock, &e, &id));
	return id;
}

static void set(int id, double value, double interval)
{
	struct itimerspec t = {
		.it_value = {(time_t)value, (long)((value - (double)(time_t)value) * 1e9)},
		.it_interval = {(time_t)interval, (long)((interval - (double)(time_t)interval) * 1e9)},
	};

	KT_SYS(syscall(SYS_timer_settime, id, 0, &t, NULL));
}

static void expect(int id, double low, double high, double interval)
{
	struct itimerspec t;

	KT_SYS(syscall(SYS_timer_gettime, id, &t));
	kt_between("remaining", (double)t.it_value.tv_sec + (double)t.it_value.tv_nsec / 1e9, low, high);
	kt_between("interval", (double)t.it_interval.tv_sec + (double)t.it_interval.tv_nsec / 1e9,
		   interval - 0.001, interval + 0.001);
}

static void child(void *arg)
{
	const struct timespec at_once = {0, 0}, long_time = {10, 0};
	double began;
	siginfo_t si;
	sigset_t signals;
	int id[6];

	sigemptyset(&signals);
	sigaddset(&signals, SIG);
	sigaddset(&signals, SIG + 1);
	KT_SYS(sigprocmask(SIG_BLOCK, &signals, NULL));
	id[0] = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIG, 1000);
	id[1] = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIG, 1001);
	id[2] = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIG + 1, 1002);
	id[3] = make(CLOCK_REALTIME, SIGEV_SIGNAL, SIG, 1003);
	id[4] = make(CLOCK_BOOTTIME, SIGEV_NONE, 0, 0);
	id[5] = make(CLOCK_REALTIME, SIGEV_THREAD_ID, SIG, 1005);
	KT_SYS(syscall(SYS_timer_delete, id[1]));
	KT_SYS(syscall(SYS_timer_delete, id[3]));
	began = kt_now();
	set(id[0], KT_WAIT, 0);
	set(id[2], 0.01, 0.01);
	set(id[4], 1000, 20);
	/* timer 5 is not armed */
	KT_UNTIL((sigpending(&signals), sigismember(&signals, SIG + 1)));
	kt_until_before(began);
	kt_mark("armed");

	kt_wait_go();
	expect(id[4], 980, 1000, 20);
	expect(id[5], 0, 0, 0);
	KT_ERR(syscall(SYS_timer_gettime, id[1], &(struct itimerspec){0}), EINVAL);
	KT_ERR(syscall(SYS_timer_gettime, id[3], &(struct itimerspec){0}), EINVAL);

	sigemptyset(&signals);
	sigaddset(&signals, SIG + 1);
	KT_EQ(KT_SYS(syscall(SYS_rt_sigtimedwait, &signals, &si, &at_once, 8)), SIG + 1);
	KT_EQ(si.si_code, SI_TIMER);
	KT_EQ(si.si_timerid, id[2]);
	KT_EQ(si.si_value.sival_int, 1002);
	set(id[2], 0, 0);

	sigemptyset(&signals);
	sigaddset(&signals, SIG);
	KT_EQ(KT_SYS(syscall(SYS_rt_sigtimedwait, &signals, &si, &long_time, 8)), SIG);
	kt_waited("timer", began);
	KT_EQ(si.si_code, SI_TIMER);
	KT_EQ(si.si_timerid, id[0]);
	KT_EQ(si.si_value.sival_int, 1000);
	expect(id[0], 0, 0, 0);

	set(id[2], 0.01, 0.01); /* and they go on as timers do */
	kt_pause_ms(200);
	sigaddset(&signals, SIG + 1);
	KT_EQ(KT_SYS(syscall(SYS_rt_sigtimedwait, &signals, &si, &long_time, 8)), SIG + 1);
	KT_OP(si.si_overrun, >=, 5);
	KT_OP(KT_SYS(syscall(SYS_timer_getoverrun, id[2])), >=, 5);
	set(id[5], 0.05, 0);
	set(id[2], 0, 0);
	sigemptyset(&signals);
	sigaddset(&signals, SIG);
	KT_EQ(KT_SYS(syscall(SYS_rt_sigtimedwait, &signals, &si, &long_time, 8)), SIG);
	KT_EQ(si.si_timerid, id[5]);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("armed");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
