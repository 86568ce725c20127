/* Shows: pause(2) is not ended by a checkpoint, only by a signal.
 *
 *	first ── pause
 */
#include "kindtest.h"

static volatile sig_atomic_t got;

static void on_usr1(int sig)
{
	got++;
}

static void child(void *arg)
{
	KT_CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR);
	KT_ERR(syscall(SYS_pause), EINTR);
	KT_CHECK(kt_marked("signal sent"));
	KT_EQ(got, 1);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await_syscall(pid, pid, SYS_pause);
	kt_ready_and_wait();
	kt_await_syscall(pid, pid, SYS_pause);
	kt_mark("signal sent");
	KT_SYS(kill(pid, SIGUSR1));
	kt_reap_ok(pid);
	kt_pass();
}
