/* Shows: fifty children of one parent keep their pids, and each ends as itself.
 *
 *	first ─┬─ 0
 *	       ├─ 1
 *	       ├─ …
 *	       └─ 49
 */
#include "kindtest.h"

enum { WIDTH = 50 };

static void child(int i, pid_t parent)
{
	pid_t pid = getpid();

	kt_mark("up.%d", i);
	kt_wait_go();
	KT_EQ(getpid(), pid);
	KT_EQ(getppid(), parent);
	_exit(100 + i);
}

int main(void)
{
	pid_t self = getpid(), pids[WIDTH];
	int status;

	for (int i = 0; i < WIDTH; i++) {
		pids[i] = KT_SYS(fork());
		if (pids[i] == 0)
			child(i, self);
	}
	for (int i = 0; i < WIDTH; i++)
		kt_await("up.%d", i);
	kt_ready_and_wait();
	for (int i = 0; i < WIDTH; i++) {
		KT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		KT_CHECK(WIFEXITED(status));
		KT_EQ(WEXITSTATUS(status), 100 + i);
	}
	KT_ERR(waitpid(-1, &status, WNOHANG), ECHILD);
	kt_pass();
}
