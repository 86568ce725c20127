/* Shows: select(2) and pselect(2) keep waiting for the rest of their time.
 *
 *	first ─┬─ select on a silent pipe
 *	       └─ pselect with a signal mask of its own, on a pipe written to afterwards
 */
#include "kindtest.h"

#include <sys/select.h>

static int silent[2], written[2];

static void timed(void *arg)
{
	struct timeval t = {2, 400000};
	double began = kt_now();
	fd_set set;

	FD_ZERO(&set);
	FD_SET(silent[0], &set);
	KT_EQ(KT_SYS(syscall(SYS_select, silent[0] + 1, &set, NULL, NULL, &t)), 0);
	KT_CHECK(!FD_ISSET(silent[0], &set));
	KT_EQ(t.tv_sec * 1000000 + t.tv_usec, 0); /* what remains, select(2) NOTES */
	kt_waited("select", began);
}

static void masked(void *arg)
{
	sigset_t mask, now;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(written[0], &set);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	KT_EQ(KT_SYS(pselect(written[0] + 1, &set, NULL, NULL, NULL, &mask)), 1);
	KT_CHECK(FD_ISSET(written[0], &set));
	KT_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
	KT_CHECK(!sigismember(&now, SIGUSR1)); /* only while it waited */
}

int main(void)
{
	double began = kt_now();
	pid_t a, b;

	KT_SYS(pipe(silent));
	KT_SYS(pipe(written));
	a = kt_child(timed, NULL);
	b = kt_child(masked, NULL);
	kt_await_syscall(a, a, SYS_select);
	kt_await_syscall(b, b, SYS_pselect6);
	kt_until_before(began);
	kt_ready_and_wait();
	KT_SYS(kill(b, SIGUSR1)); /* blocked while it waits: does not end it */
	KT_EQ(KT_SYS(write(written[1], "x", 1)), 1);
	kt_reap_ok(a);
	{
		int status;

		/* Once its mask is back the signal arrives, whose default is to end it. */
		KT_EQ(waitpid(b, &status, 0), b);
		KT_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	}
	kt_pass();
}
