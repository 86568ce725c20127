/* Shows: a daemon keeps pid, parent, session and group though all who made it are gone.
 *
 *	first ── (launcher, dead) ── (session leader, dead) ── daemon
 */
#include "kindtest.h"

static void daemon_itself(pid_t leader)
{
	pid_t pid = getpid(), parent;

	KT_UNTIL(getppid() != leader);
	parent = getppid();
	kt_mark("daemon");
	kt_wait_go();
	KT_EQ(getpid(), pid);
	KT_EQ(getppid(), parent);
	KT_EQ(getsid(0), leader);
	KT_EQ(getpgid(0), leader);
	KT_ERR(kill(leader, 0), ESRCH);
	KT_EQ(KT_SYS(setsid()), pid); /* it leads nothing, so it may */
	kt_mark("verified");
}

static void launcher(void *arg)
{
	pid_t leader = KT_SYS(fork());

	if (leader == 0) {
		KT_SYS(setsid());
		leader = getpid();
		if (KT_SYS(fork()) == 0) {
			daemon_itself(leader);
			_exit(0);
		}
		_exit(0);
	}
	kt_reap_ok(leader);
}

int main(void)
{
	kt_reap_ok(kt_child(launcher, NULL));
	kt_await("daemon");
	kt_ready_and_wait();
	kt_await("verified");
	if (getpid() == 1) {
		int status;

		KT_CHECK(wait(&status) > 0);
		KT_EQ(status, 0);
	}
	kt_pass();
}
