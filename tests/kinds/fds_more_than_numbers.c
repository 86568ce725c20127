/* Shows: a tree may hold more open descriptions than any of its tables has numbers.
 *
 *	first (40 eventfds) ── 4 children (40 eventfds of their own, under the same numbers)
 */
#include "kindtest.h"

#include <sys/eventfd.h>

#define EACH 40
#define FIRST 10

static void own(int seed)
{
	for (int i = 0; i < EACH; i++) {
		int fd = KT_SYS(eventfd((unsigned)(seed * EACH + i + 1), EFD_NONBLOCK));

		if (fd != FIRST + i) {
			KT_EQ(KT_SYS(dup2(fd, FIRST + i)), FIRST + i);
			KT_SYS(close(fd));
		}
	}
}

static void check(int seed)
{
	for (int i = 0; i < EACH; i++) {
		uint64_t n = 0;

		KT_EQ(KT_SYS(read(FIRST + i, &n, sizeof n)), sizeof n);
		KT_EQ(n, seed * EACH + i + 1);
	}
}

static void child(void *arg)
{
	own((int)(intptr_t)arg);
	kt_mark("own.%d", (int)(intptr_t)arg);
	kt_wait_go();
	check((int)(intptr_t)arg);
}

int main(void)
{
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		pid[i] = kt_child(child, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < 4; i++)
		kt_await("own.%d", i + 1);
	own(0);
	kt_ready_and_wait();
	check(0);
	for (int i = 0; i < 4; i++)
		kt_reap_ok(pid[i]);
	kt_pass();
}
