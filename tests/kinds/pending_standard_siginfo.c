/* Shows: pending standard signals, each once, with who sent it and why.
 *
 *	first ── child with SIGUSR1 (kill), SIGUSR2 (sigqueue), SIGTERM (kill, twice) and SIGCHLD pending
 *	            └─ (grandchild, dead)
 */
#include "kindtest.h"

static void take(int sig, siginfo_t *si)
{
	const struct timespec at_once = {0, 0};
	sigset_t set;

	memset(si, 0, sizeof(*si));
	sigemptyset(&set);
	sigaddset(&set, sig);
	KT_EQ(KT_SYS(sigtimedwait(&set, si, &at_once)), sig);
	KT_EQ(si->si_signo, sig);
	KT_ERR(sigtimedwait(&set, NULL, &at_once), EAGAIN); /* only once */
}

static void child(void *arg)
{
	pid_t parent = getppid(), grandchild;
	siginfo_t si;
	sigset_t all, pending;

	sigfillset(&all);
	KT_SYS(sigprocmask(SIG_SETMASK, &all, NULL));
	grandchild = KT_SYS(fork());
	if (grandchild == 0)
		_exit(33);
	kt_await_state(grandchild, 'Z');
	kt_mark("blocked");
	kt_wait_go();
	KT_SYS(sigpending(&pending));
	for (int s = 1; s < 32; s++)
		KT_EQ(sigismember(&pending, s),
		      s == SIGUSR1 || s == SIGUSR2 || s == SIGTERM || s == SIGCHLD);
	take(SIGUSR1, &si);
	KT_EQ(si.si_code, SI_USER);
	KT_EQ(si.si_pid, parent);
	KT_EQ(si.si_uid, getuid());
	take(SIGUSR2, &si);
	KT_EQ(si.si_code, SI_QUEUE);
	KT_EQ(si.si_pid, parent);
	KT_EQ((intptr_t)si.si_value.sival_ptr, 0x123456789abc);
	take(SIGTERM, &si);
	KT_EQ(si.si_code, SI_USER);
	take(SIGCHLD, &si);
	KT_EQ(si.si_code, CLD_EXITED);
	KT_EQ(si.si_pid, grandchild);
	KT_EQ(si.si_status, 33);
	KT_EQ(waitpid(grandchild, NULL, WNOHANG), grandchild);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("blocked");
	KT_SYS(kill(pid, SIGUSR1));
	KT_SYS(sigqueue(pid, SIGUSR2, (union sigval){.sival_ptr = (void *)0x123456789abc}));
	KT_SYS(kill(pid, SIGTERM));
	KT_SYS(kill(pid, SIGTERM));
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
