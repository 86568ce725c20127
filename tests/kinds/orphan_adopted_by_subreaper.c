/* Shows: a subreaper keeps the orphan it has adopted, and goes on adopting.
 *
 *	first ── reaper (PR_SET_CHILD_SUBREAPER) ─┬─ (middle, dead) ── orphan
 *	                                          └─ (later, dead) ── late orphan, after the restore
 */
#include "kindtest.h"

#include <sys/prctl.h>

static void orphan(void)
{
	pid_t pid = getpid(), adopter = (pid_t)kt_noted("reaper");

	KT_UNTIL(getppid() == adopter);
	kt_mark("adopted");
	kt_wait_go();
	KT_EQ(getpid(), pid);
	KT_EQ(getppid(), adopter);
	_exit(3);
}

static void late_orphan(pid_t middle)
{
	KT_UNTIL(getppid() != middle);
	KT_EQ(getppid(), kt_noted("reaper"));
	_exit(4);
}

static void middle(void *arg)
{
	pid_t self = getpid();

	if (KT_SYS(fork()) == 0) {
		if (arg)
			late_orphan(self);
		orphan();
	}
}

static void expect_orphan(int code)
{
	int status;

	KT_CHECK(waitpid(-1, &status, 0) > 0);
	KT_EQ(status, W_EXITCODE(code, 0));
}

static void reaper(void *arg)
{
	int on = 0, status;

	KT_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
	kt_note("reaper", getpid());
	kt_reap_ok(kt_child(middle, NULL));
	kt_mark("reaped");
	kt_wait_go();
	KT_SYS(prctl(PR_GET_CHILD_SUBREAPER, &on));
	KT_EQ(on, 1);
	expect_orphan(3);
	kt_reap_ok(kt_child(middle, "late"));
	expect_orphan(4);
	KT_ERR(waitpid(-1, &status, 0), ECHILD);
}

int main(void)
{
	pid_t r = kt_child(reaper, NULL);
	int on = 1;

	kt_await("adopted");
	kt_await("reaped");
	kt_ready_and_wait();
	KT_SYS(prctl(PR_GET_CHILD_SUBREAPER, &on));
	KT_EQ(on, 0);
	kt_reap_ok(r);
	kt_pass();
}
