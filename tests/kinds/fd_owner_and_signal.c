/* Shows: who is told, and by which signal, when something comes in (F_SETOWN, F_SETSIG, O_ASYNC).
 *
 *	first (pipe, owned by the child) ── child, gets the signal
 */
#include "kindtest.h"

static void child(void *arg)
{
	const struct timespec t = {10, 0};
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	KT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	kt_mark("child");
	KT_EQ(KT_SYS(sigtimedwait(&set, &si, &t)), SIGRTMIN + 2);
	KT_CHECK(kt_marked("written"));
	KT_EQ(si.si_fd, (intptr_t)arg);
}

int main(void)
{
	int p[2], group[2];
	pid_t pid;

	KT_SYS(pipe(p));
	KT_SYS(pipe(group));
	pid = kt_child(child, (void *)(intptr_t)p[0]);
	kt_await("child");
	KT_SYS(fcntl(p[0], F_SETOWN, pid));
	KT_SYS(fcntl(p[0], F_SETSIG, SIGRTMIN + 2));
	KT_SYS(fcntl(p[0], F_SETFL, O_ASYNC));
	KT_SYS(setpgid(pid, pid));
	KT_SYS(fcntl(group[1], F_SETOWN, -pid));
	kt_ready_and_wait();
	KT_EQ(fcntl(p[0], F_GETOWN), pid);
	KT_EQ(fcntl(p[0], F_GETSIG), SIGRTMIN + 2);
	KT_EQ(fcntl(p[0], F_GETFL) & O_ASYNC, O_ASYNC);
	KT_EQ(fcntl(group[1], F_GETOWN), -pid);
	KT_EQ(fcntl(p[1], F_GETOWN), 0);
	kt_mark("written");
	KT_EQ(KT_SYS(write(p[1], "x", 1)), 1);
	kt_reap_ok(pid);
	kt_pass();
}
