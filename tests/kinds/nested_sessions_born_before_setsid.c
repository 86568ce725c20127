/* Shows: a child born before its parent's setsid() stays in the older session.
 *
 *	first ── a ─┬─ b      forked, then a called setsid(): b in first's session
 *	            │  └─ c   forked, then b called setsid(): c in first's session
 *	            └─ d      forked after: in a's session
 *	               └─ e   setsid() of its own
 */
#include "kindtest.h"

static pid_t outer_sid, outer_pgid;

static void stays(pid_t sid, pid_t pgid)
{
	kt_mark("up.%d", getpid());
	kt_wait_go();
	KT_EQ(getsid(0), sid);
	KT_EQ(getpgid(0), pgid);
}

static void c(void *arg)
{
	stays(outer_sid, outer_pgid);
}

static void b(void *arg)
{
	pid_t child = kt_child(c, NULL);

	KT_SYS(setsid());
	kt_await("up.%d", child);
	stays(getpid(), getpid());
	kt_reap_ok(child);
}

static void e(void *arg)
{
	KT_SYS(setsid());
	stays(getpid(), getpid());
}

static void d(void *arg)
{
	pid_t child = kt_child(e, NULL);

	kt_await("up.%d", child);
	stays(getppid(), getppid());
	kt_reap_ok(child);
}

static void a(void *arg)
{
	pid_t older = kt_child(b, NULL), younger;

	KT_SYS(setsid());
	younger = kt_child(d, NULL);
	kt_await("up.%d", older);
	kt_await("up.%d", younger);
	stays(getpid(), getpid());
	kt_reap_ok(older);
	kt_reap_ok(younger);
}

int main(void)
{
	pid_t child;

	outer_sid = getsid(0);
	outer_pgid = getpgid(0);
	child = kt_child(a, NULL);
	kt_await("up.%d", child);
	kt_ready_and_wait();
	KT_EQ(getsid(0), outer_sid);
	kt_reap_ok(child);
	kt_pass();
}
