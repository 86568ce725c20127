/* Shows: which signal a child's end sends (clone(2)), and which one its parent's end sends it (prctl).
 *
 *	first ─┬─ clone with exit signal SIGUSR1
 *	       ├─ clone without an exit signal
 *	       └─ middle ── dependent (PR_SET_PDEATHSIG SIGUSR2)
 */
#include "kindtest.h"

#include <sched.h>
#include <sys/prctl.h>

static int ends(void *arg)
{
	kt_wait_go();
	_exit(6);
}

static void dependent(void *arg)
{
	const struct timespec t = {10, 0};
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	KT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	KT_SYS(prctl(PR_SET_PDEATHSIG, SIGUSR2));
	kt_mark("dependent");
	kt_wait_go();
	KT_SYS(prctl(PR_GET_PDEATHSIG, &sig));
	KT_EQ(sig, SIGUSR2);
	kt_mark("looked");
	KT_EQ(KT_SYS(sigtimedwait(&set, NULL, &t)), SIGUSR2);
	kt_mark("told");
}

static void middle(void *arg)
{
	kt_child(dependent, NULL);
	kt_wait_go();
	kt_await("looked");
}

int main(void)
{
	static _Alignas(16) char stacks[2][65536];
	const struct timespec t = {10, 0}, at_once = {0, 0};
	sigset_t usr1, chld;
	pid_t a, b, m;
	int status;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	KT_SYS(sigprocmask(SIG_BLOCK, &usr1, NULL));
	KT_SYS(sigprocmask(SIG_BLOCK, &chld, NULL));
	m = kt_child(middle, NULL);
	a = KT_SYS(clone(ends, stacks[0] + 65536, SIGUSR1, NULL));
	b = KT_SYS(clone(ends, stacks[1] + 65536, 0, NULL));
	kt_await("dependent");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(sigtimedwait(&usr1, NULL, &t)), SIGUSR1);
	KT_EQ(waitpid(a, &status, __WCLONE), a);
	KT_EQ(status, W_EXITCODE(6, 0));
	KT_EQ(waitpid(b, &status, __WCLONE), b);
	KT_EQ(status, W_EXITCODE(6, 0));
	kt_await("told");
	kt_reap_ok(m);
	KT_EQ(KT_SYS(sigtimedwait(&chld, NULL, &at_once)), SIGCHLD); /* of middle */
	kt_pass();
}
