/* Shows: sigtimedwait(2), which a stop would end with EINTR, goes on for the rest of its time.
 *
 *	first ─┬─ sigtimedwait until the timeout
 *	       └─ sigwaitinfo until the signal
 */
#include "kindtest.h"

static void block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	KT_SYS(sigprocmask(SIG_BLOCK, set, NULL));
}

static void timed(void *arg)
{
	const struct timespec t = {2, 400000000};
	sigset_t set;
	double began = kt_now();

	block(&set);
	KT_ERR(syscall(SYS_rt_sigtimedwait, &set, NULL, &t, 8), EAGAIN);
	kt_waited("sigtimedwait", began);
}

static void endless(void *arg)
{
	siginfo_t si;
	sigset_t set;

	block(&set);
	KT_EQ(KT_SYS(syscall(SYS_rt_sigtimedwait, &set, &si, NULL, 8)), SIGUSR1);
	KT_EQ(si.si_value.sival_int, 4321);
	KT_EQ(si.si_pid, getppid());
}

int main(void)
{
	double began = kt_now();
	pid_t a = kt_child(timed, NULL), b = kt_child(endless, NULL);

	kt_await_syscall(a, a, SYS_rt_sigtimedwait);
	kt_await_syscall(b, b, SYS_rt_sigtimedwait);
	kt_until_before(began);
	kt_ready_and_wait();
	KT_SYS(sigqueue(b, SIGUSR1, (union sigval){.sival_int = 4321}));
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
