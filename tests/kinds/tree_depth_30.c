/* Shows: a chain of 30 processes keeps every pid and every parent.
 *
 *	first ── 1 ── 2 ── 3 ── … ── 30
 */
#include "kindtest.h"

enum { DEPTH = 30 };

static void link_of_chain(void *arg)
{
	intptr_t depth = (intptr_t)arg;
	pid_t pid = getpid(), parent = getppid(), child = 0;

	if (depth < DEPTH)
		child = kt_child(link_of_chain, (void *)(depth + 1));
	else
		kt_mark("deepest");
	kt_wait_go();
	KT_EQ(getpid(), pid);
	KT_EQ(kt_gettid(), pid);
	KT_EQ(getppid(), parent);
	if (child) {
		KT_EQ(kt_stat_field(child, 4), pid);
		kt_reap_ok(child);
	}
}

int main(void)
{
	pid_t pid = getpid(), child = kt_child(link_of_chain, (void *)1);

	kt_await("deepest");
	kt_ready_and_wait();
	KT_EQ(getpid(), pid);
	kt_reap_ok(child);
	kt_pass();
}
