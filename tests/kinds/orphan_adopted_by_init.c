/* Shows: a process whose parent has died stays the child of whoever adopted it.
 *
 *	first ── (middle, dead) ── orphan        orphan's parent now: init
 */
#include "kindtest.h"

static void orphan(pid_t middle)
{
	pid_t pid = getpid(), adopter;

	KT_UNTIL(getppid() != middle);
	adopter = getppid();
	kt_note("orphan", pid);
	kt_wait_go();
	KT_EQ(getpid(), pid);
	KT_EQ(getppid(), adopter);
	kt_mark("verified");
	_exit(7);
}

static void middle(void *arg)
{
	pid_t self = getpid();

	if (KT_SYS(fork()) == 0)
		orphan(self);
}

int main(void)
{
	pid_t m = kt_child(middle, NULL), o;
	int status;

	kt_reap_ok(m);
	o = (pid_t)kt_noted("orphan");
	kt_ready_and_wait();
	kt_await("verified");
	if (getpid() == 1) { /* then the adopter is this process */
		KT_EQ(waitpid(o, &status, 0), o);
		KT_EQ(status, W_EXITCODE(7, 0));
	}
	KT_ERR(waitpid(-1, &status, 0), ECHILD);
	kt_pass();
}
