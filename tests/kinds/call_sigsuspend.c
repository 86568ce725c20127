/* Shows: sigsuspend(2) goes on with its temporary mask, and gives the former mask back.
 *
 *	first ── sigsuspend letting only SIGUSR2 in
 */
#include "kindtest.h"

static volatile sig_atomic_t one, two;

static void on_signal(int sig)
{
	*(sig == SIGUSR1 ? &one : &two) += 1;
}

static void child(void *arg)
{
	sigset_t before, during, now;

	KT_CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
	KT_CHECK(signal(SIGUSR2, on_signal) != SIG_ERR);
	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigaddset(&before, SIGUSR2);
	KT_SYS(sigprocmask(SIG_SETMASK, &before, NULL));
	sigfillset(&during);
	sigdelset(&during, SIGUSR2);
	KT_ERR(sigsuspend(&during), EINTR);
	KT_CHECK(kt_marked("signal sent"));
	KT_EQ(two, 1);
	KT_EQ(one, 0);
	KT_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
	KT_CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2));
	KT_CHECK(!sigismember(&now, SIGHUP));
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await_syscall(pid, pid, SYS_rt_sigsuspend);
	KT_SYS(kill(pid, SIGUSR1));
	kt_ready_and_wait();
	kt_await_syscall(pid, pid, SYS_rt_sigsuspend);
	kt_mark("signal sent");
	KT_SYS(kill(pid, SIGUSR2));
	kt_reap_ok(pid);
	kt_pass();
}
