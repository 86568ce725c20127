/* Shows: futex waits end at their time, relative and absolute, and still can be woken.
 *
 *	first ─┬─ FUTEX_WAIT, relative timeout
 *	       ├─ FUTEX_WAIT_BITSET, absolute timeout
 *	       └─ FUTEX_WAIT on shared memory, woken by first
 */
#include "kindtest.h"

#include <linux/futex.h>

static uint32_t *word;

static void relative(void *arg)
{
	const struct timespec t = {2, 400000000};
	uint32_t w = 5;
	double began = kt_now();

	KT_ERR(syscall(SYS_futex, &w, FUTEX_WAIT_PRIVATE, 5, &t, NULL, 0), ETIMEDOUT);
	kt_waited("FUTEX_WAIT", began);
}

static void absolute(void *arg)
{
	struct timespec t;
	uint32_t w = 5;
	double began = kt_now();

	KT_SYS(clock_gettime(CLOCK_MONOTONIC, &t));
	t.tv_sec += 2 + (t.tv_nsec + 400000000) / 1000000000;
	t.tv_nsec = (t.tv_nsec + 400000000) % 1000000000;
	KT_ERR(syscall(SYS_futex, &w, FUTEX_WAIT_BITSET_PRIVATE, 5, &t, NULL, FUTEX_BITSET_MATCH_ANY),
	       ETIMEDOUT);
	kt_waited("FUTEX_WAIT_BITSET", began);
}

static void woken(void *arg)
{
	KT_EQ(KT_SYS(syscall(SYS_futex, word, FUTEX_WAIT, 5, NULL, NULL, 0)), 0);
	KT_EQ(*word, 6);
}

int main(void)
{
	double began = kt_now();
	pid_t p[3];

	word = kt_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	*word = 5;
	p[0] = kt_child(relative, NULL);
	p[1] = kt_child(absolute, NULL);
	p[2] = kt_child(woken, NULL);
	for (int i = 0; i < 3; i++)
		kt_await_syscall(p[i], p[i], SYS_futex);
	kt_until_before(began);
	kt_ready_and_wait();
	kt_await_syscall(p[2], p[2], SYS_futex);
	*word = 6;
	KT_EQ(KT_SYS(syscall(SYS_futex, word, FUTEX_WAKE, 10, NULL, NULL, 0)), 1);
	for (int i = 0; i < 3; i++)
		kt_reap_ok(p[i]);
	kt_pass();
}
