/* Shows: a process group outlives its leader and is still reached by its number.
 *
 *	first ─┬─ (leader of the group, dead)
 *	       ├─ a, in the group
 *	       └─ b, in the group
 */
#include "kindtest.h"

static volatile sig_atomic_t got;

static void on_usr1(int sig)
{
	got++;
}

static void leader(void *arg)
{
	kt_await("a.joined");
	kt_await("b.joined");
}

static void member(void *arg)
{
	const char *name = arg;
	pid_t pgid = (pid_t)kt_noted("group");

	KT_CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR);
	KT_SYS(setpgid(0, pgid));
	kt_mark("%s.joined", name);
	kt_wait_go();
	KT_EQ(getpgid(0), pgid);
	KT_UNTIL(got == 1);
}

int main(void)
{
	pid_t l = kt_child(leader, NULL), a, b, c;

	KT_SYS(setpgid(l, l));
	kt_note("group", l);
	a = kt_child(member, "a");
	b = kt_child(member, "b");
	kt_reap_ok(l);
	kt_ready_and_wait();
	KT_ERR(kill(l, 0), ESRCH);
	KT_EQ(getpgid(a), l);
	KT_EQ(getpgid(b), l);
	KT_EQ(waitpid(-l, NULL, WNOHANG), 0); /* wait finds children by that group, none ended */
	KT_SYS(kill(-l, SIGUSR1));
	c = KT_SYS(fork());
	if (c == 0) {
		KT_SYS(setpgid(0, l)); /* still one that may be joined */
		_exit(0);
	}
	kt_reap_ok(c);
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
