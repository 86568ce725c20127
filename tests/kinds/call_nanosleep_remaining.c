/* Shows: an interrupted nanosleep(2) sleeps for what remained, and returns 0.
 *
 *	first ─┬─ nanosleep
 *	       └─ clock_nanosleep, relative
 */
#include "kindtest.h"

static const struct timespec wait_ = {2, 400000000};

static void sleeps(void *arg)
{
	double began = kt_now();

	KT_EQ(syscall(SYS_nanosleep, &wait_, NULL), 0);
	kt_waited("nanosleep", began);
}

static void clock_sleeps(void *arg)
{
	double began = kt_now();

	KT_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_, NULL), 0);
	kt_waited("clock_nanosleep", began);
}

int main(void)
{
	double began = kt_now();
	pid_t a = kt_child(sleeps, NULL), b = kt_child(clock_sleeps, NULL);

	kt_await_syscall(a, a, SYS_nanosleep);
	kt_await_syscall(b, b, SYS_clock_nanosleep);
	kt_until_before(began);
	kt_ready_and_wait();
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
