/* Shows: every resource limit, soft and hard, of each process.
 *
 *	first ── child with lower limits
 */
#include "kindtest.h"

#include <sys/resource.h>

enum { LIMITS = 16 };

static void hold(void (*wait)(void))
{
	struct rlimit before[LIMITS], now;

	for (int i = 0; i < LIMITS; i++)
		KT_SYS(getrlimit((unsigned)i, &before[i]));
	wait();
	for (int i = 0; i < LIMITS; i++) {
		KT_SYS(getrlimit((unsigned)i, &now));
		if (now.rlim_cur != before[i].rlim_cur || now.rlim_max != before[i].rlim_max)
			KT_FAIL("limit %d: %lu/%lu, was %lu/%lu", i, now.rlim_cur, now.rlim_max,
				before[i].rlim_cur, before[i].rlim_max);
	}
}

static void up_and_wait(void)
{
	kt_mark("child");
	kt_wait_go();
}

static void child(void *arg)
{
	KT_SYS(setrlimit(RLIMIT_NOFILE, &(struct rlimit){57, 91}));
	KT_SYS(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 4096}));
	KT_SYS(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 21}));
	KT_SYS(setrlimit(RLIMIT_STACK, &(struct rlimit){3 << 20, 5 << 20}));
	KT_SYS(setrlimit(RLIMIT_AS, &(struct rlimit){1ul << 32, 1ul << 33}));
	KT_SYS(setrlimit(RLIMIT_CPU, &(struct rlimit){1000, 2000}));
	KT_SYS(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){4096, 8192}));
	hold(up_and_wait);
	KT_EQ(getdtablesize(), 57);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("child");
	hold(kt_ready_and_wait);
	kt_reap_ok(pid);
	kt_pass();
}
