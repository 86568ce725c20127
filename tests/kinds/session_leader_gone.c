/* Shows: a session outlives its leader; members keep the number of a process that is no more.
 *
 *	first ── (leader, dead) ─┬─ a, group of the dead leader
 *	                         └─ b, group leader of its own
 */
#include "kindtest.h"

static void member(void *arg)
{
	pid_t leader = getppid(), sid = getsid(0), pgid = leader;

	if (arg) {
		KT_SYS(setpgid(0, 0));
		pgid = getpid();
	}
	KT_EQ(sid, leader);
	kt_mark(arg ? "b" : "a");
	KT_UNTIL(getppid() != leader);
	kt_mark(arg ? "b.orphaned" : "a.orphaned");
	kt_wait_go();
	KT_EQ(getsid(0), sid);
	KT_EQ(getpgid(0), pgid);
	KT_ERR(kill(sid, 0), ESRCH);
	kt_mark(arg ? "b.verified" : "a.verified");
	if (!arg) { /* the session is the same one as b's: b's group may be joined */
		KT_SYS(setpgid(0, (pid_t)kt_noted("b.pid")));
		kt_mark("joined");
	} else {
		kt_note("b.pid", getpid());
		kt_await("joined");
	}
}

static void leader(void *arg)
{
	KT_SYS(setsid());
	kt_child(member, NULL);
	kt_child(member, "own group");
	kt_await("a");
	kt_await("b");
}

int main(void)
{
	kt_reap_ok(kt_child(leader, NULL));
	kt_await("a.orphaned");
	kt_await("b.orphaned");
	kt_ready_and_wait();
	kt_await("a.verified");
	kt_await("b.verified");
	kt_await("joined");
	if (getpid() == 1)
		for (int i = 0; i < 2; i++) {
			int status;

			KT_CHECK(wait(&status) > 0);
			KT_EQ(status, 0);
		}
	kt_pass();
}
