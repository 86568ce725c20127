/* Shows: the interval timers: what remains, their intervals, and that they fire in time.
 *
 *	first ─┬─ real (fires), virtual and profiling (far away)
 *	       └─ real, periodic
 */
#include "kindtest.h"

#include <sys/time.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void far_away(int which, double value, double interval)
{
	struct itimerval t;

	KT_SYS(getitimer((__itimer_which_t)which, &t));
	kt_between("remaining", seconds(&t.it_value), value - 5, value + 0.1);
	kt_between("interval", seconds(&t.it_interval), interval - 0.01, interval + 0.01);
}

static void once(void *arg)
{
	const struct itimerval real = {.it_value = {2, 400000}};
	const struct itimerval virtual = {.it_value = {100, 0}, .it_interval = {7, 500000}};
	const struct itimerval prof = {.it_value = {200, 0}, .it_interval = {9, 250000}};
	double began = kt_now();

	KT_CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
	KT_SYS(setitimer(ITIMER_REAL, &real, NULL));
	KT_SYS(setitimer(ITIMER_VIRTUAL, &virtual, NULL));
	KT_SYS(setitimer(ITIMER_PROF, &prof, NULL));
	kt_mark("once");
	while (!alarms)
		kt_pause_ms(10);
	kt_waited("ITIMER_REAL", began);
	far_away(ITIMER_VIRTUAL, 100, 7.5);
	far_away(ITIMER_PROF, 200, 9.25);
	kt_pause_ms(50);
	KT_EQ(alarms, 1);
}

static void periodic(void *arg)
{
	const struct itimerval t = {.it_value = {0, 30000}, .it_interval = {0, 30000}};
	int before;

	KT_CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
	KT_SYS(setitimer(ITIMER_REAL, &t, NULL));
	KT_UNTIL(alarms > 2);
	kt_mark("periodic");
	kt_wait_go();
	before = alarms;
	KT_UNTIL(alarms > before + 3);
	far_away(ITIMER_REAL, 0.03, 0.03);
}

int main(void)
{
	double began = kt_now();
	pid_t a = kt_child(once, NULL), b = kt_child(periodic, NULL);

	kt_await("once");
	kt_await("periodic");
	kt_until_before(began);
	kt_ready_and_wait();
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
