/* Shows: CLOCK_MONOTONIC and CLOCK_BOOTTIME never go back and make no leap.
 *
 *	first
 */
#include "kindtest.h"

static double now(clockid_t c)
{
	struct timespec t;

	KT_SYS(clock_gettime(c, &t));
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void)
{
	double mono = now(CLOCK_MONOTONIC), boot = now(CLOCK_BOOTTIME), real = now(CLOCK_REALTIME);

	kt_ready_and_wait();
	real = now(CLOCK_REALTIME) - real;
	/* While the tree was gone they may have stood still, but not run ahead of the world's time. */
	kt_between("CLOCK_MONOTONIC", now(CLOCK_MONOTONIC) - mono, 0, real + 0.5);
	kt_between("CLOCK_BOOTTIME", now(CLOCK_BOOTTIME) - boot, 0, real + 0.5);
	kt_pass();
}
