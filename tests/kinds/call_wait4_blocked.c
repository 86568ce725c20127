/* Shows: parents blocked in wait4(2) and waitid(2) are told of the end of their children.
 *
 *	first ─┬─ wait4(-1) ──── child, ends with 5 after go
 *	       └─ waitid(P_PID) ─ child, killed by its sibling's word after go
 */
#include "kindtest.h"

static void ends(void *arg)
{
	kt_wait_go();
	if (arg)
		KT_SYS(raise(SIGTERM));
	_exit(5);
}

static void waits4(void *arg)
{
	pid_t pid = kt_child(ends, NULL);
	int status;

	KT_EQ(KT_SYS(wait4(-1, &status, 0, NULL)), pid);
	KT_EQ(status, W_EXITCODE(5, 0));
}

static void waitsid(void *arg)
{
	pid_t pid = kt_child(ends, "by a signal");
	siginfo_t si = {0};

	KT_SYS(waitid(P_PID, (id_t)pid, &si, WEXITED));
	KT_EQ(si.si_pid, pid);
	KT_EQ(si.si_code, CLD_KILLED);
	KT_EQ(si.si_status, SIGTERM);
}

int main(void)
{
	pid_t a = kt_child(waits4, NULL), b = kt_child(waitsid, NULL);

	kt_await_syscall(a, a, SYS_wait4);
	kt_await_syscall(b, b, SYS_waitid);
	kt_ready_and_wait();
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
