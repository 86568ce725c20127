/* Shows: ppoll(2) keeps its temporary signal mask and waits for the rest of its time.
 *
 *	first ── ppoll that lets SIGUSR2 in and keeps SIGUSR1 out
 */
#include "kindtest.h"

static volatile sig_atomic_t one, two;

static void on_signal(int sig)
{
	*(sig == SIGUSR1 ? &one : &two) += 1;
}

static void child(void *arg)
{
	const struct timespec t = {60, 0};
	sigset_t during, outside, now;
	double began = kt_now();

	KT_CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
	KT_CHECK(signal(SIGUSR2, on_signal) != SIG_ERR);
	sigemptyset(&outside);
	sigaddset(&outside, SIGUSR2);
	KT_SYS(sigprocmask(SIG_SETMASK, &outside, NULL));
	sigemptyset(&during);
	sigaddset(&during, SIGUSR1);
	KT_ERR(ppoll(NULL, 0, &t, &during), EINTR);
	KT_EQ(two, 1);
	KT_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
	KT_CHECK(sigismember(&now, SIGUSR2) && !sigismember(&now, SIGUSR1));
	KT_EQ(one, 1); /* was pending and came when the mask was back */
	began = kt_now();
	KT_EQ(KT_SYS(ppoll(NULL, 0, &(struct timespec){0, 100000000}, NULL)), 0);
	kt_between("a later ppoll", kt_now() - began, 0.1, 1);
}

static void timed(void *arg)
{
	const struct timespec t = {2, 400000000};
	double began = kt_now();

	KT_EQ(KT_SYS(ppoll(NULL, 0, &t, NULL)), 0);
	kt_waited("ppoll", began);
}

int main(void)
{
	double began = kt_now();
	pid_t a = kt_child(child, NULL), b = kt_child(timed, NULL);

	kt_await_syscall(a, a, SYS_ppoll);
	kt_await_syscall(b, b, SYS_ppoll);
	KT_SYS(kill(a, SIGUSR1));
	kt_until_before(began);
	kt_ready_and_wait();
	kt_await_syscall(a, a, SYS_ppoll); /* neither the checkpoint nor SIGUSR1 has ended it */
	KT_SYS(kill(a, SIGUSR2));
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
