/* Shows: sessions and groups whose leaders live keep their numbers and their members.
 *
 *	first ── leader (setsid) ─┬─ member, same group
 *	                          ├─ group leader (setpgid 0)
 *	                          └─ second of that group
 */
#include "kindtest.h"

static void stays(pid_t sid, pid_t pgid)
{
	KT_EQ(getsid(0), sid);
	KT_EQ(getpgid(0), pgid);
	KT_EQ(kt_stat_field(getpid(), 6), sid);
	KT_EQ(kt_stat_field(getpid(), 5), pgid);
}

static void member(void *arg)
{
	pid_t sid = getppid(), pgid = (pid_t)(intptr_t)arg;

	KT_SYS(setpgid(0, pgid));
	if (pgid == 0)
		pgid = getpid();
	stays(sid, pgid);
	kt_mark("up.%d", getpid());
	kt_wait_go();
	stays(sid, pgid);
	if (pgid == getpid()) /* the kernel still knows it for a group leader */
		KT_ERR(setsid(), EPERM);
}

static void leader(void *arg)
{
	pid_t self = getpid(), m[3];

	KT_EQ(KT_SYS(setsid()), self);
	m[0] = kt_child(member, (void *)(intptr_t)self);
	m[1] = kt_child(member, NULL);
	kt_await("up.%d", m[1]);
	m[2] = kt_child(member, (void *)(intptr_t)m[1]);
	kt_await("up.%d", m[0]);
	kt_await("up.%d", m[2]);
	kt_mark("all");
	kt_wait_go();
	stays(self, self);
	KT_ERR(setpgid(0, 0), EPERM); /* a session leader may not */
	for (int i = 0; i < 3; i++)
		kt_reap_ok(m[i]);
}

int main(void)
{
	pid_t l = kt_child(leader, NULL), sid = getsid(0), pgid = getpgid(0);

	kt_await("all");
	kt_ready_and_wait();
	KT_EQ(getsid(0), sid);
	KT_EQ(getpgid(0), pgid);
	kt_reap_ok(l);
	kt_pass();
}
