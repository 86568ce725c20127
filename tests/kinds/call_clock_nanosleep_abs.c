/* Shows: sleeping until a point in time ends at that point of CLOCK_MONOTONIC.
 *
 *	first ── clock_nanosleep, TIMER_ABSTIME
 */
#include "kindtest.h"

static void sleeps(void *arg)
{
	double began = kt_now();
	struct timespec t;

	KT_SYS(clock_gettime(CLOCK_MONOTONIC, &t));
	t.tv_sec += 2;
	t.tv_nsec += 400000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	KT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
	kt_waited("clock_nanosleep", began);
}

int main(void)
{
	double began = kt_now();
	pid_t a = kt_child(sleeps, NULL);

	kt_await_syscall(a, a, SYS_clock_nanosleep);
	kt_until_before(began);
	kt_ready_and_wait();
	kt_reap_ok(a);
	kt_pass();
}
