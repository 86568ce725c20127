/* Shows: many zombies at several places of the tree, one leading a session that lives on.
 *
 *	first ─┬─ (0) … (19)                       exit status 0 … 19
 *	       ├─ (session leader, zombie)         its session has a member
 *	       │     └─ member, adopted by init
 *	       └─ holder ── (zombie of holder)
 */
#include "kindtest.h"

enum { MANY = 20 };

static void leader(void *arg)
{
	pid_t self = getpid();

	KT_SYS(setsid());
	if (KT_SYS(fork()))
		_exit(50);
	KT_UNTIL(getppid() != self);
	kt_mark("member");
	kt_wait_go();
	KT_EQ(getsid(0), self);
	KT_EQ(getpgid(0), self);
	KT_EQ(kt_state(self), 'Z');
	kt_mark("member.verified");
}

static void holder(void *arg)
{
	pid_t z = KT_SYS(fork());
	int status;

	if (z == 0)
		_exit(60);
	kt_await_state(z, 'Z');
	kt_mark("holder");
	kt_wait_go();
	KT_EQ(waitpid(-1, &status, WNOHANG), z);
	KT_EQ(status, W_EXITCODE(60, 0));
}

int main(void)
{
	pid_t pids[MANY], l, h;
	int status;

	for (int i = 0; i < MANY; i++) {
		pids[i] = KT_SYS(fork());
		if (pids[i] == 0)
			_exit(i);
	}
	l = kt_child(leader, NULL);
	h = kt_child(holder, NULL);
	for (int i = 0; i < MANY; i++)
		kt_await_state(pids[i], 'Z');
	kt_await_state(l, 'Z');
	kt_await("member");
	kt_await("holder");
	kt_ready_and_wait();
	kt_await("member.verified");
	for (int i = MANY - 1; i >= 0; i--) {
		KT_EQ(waitpid(pids[i], &status, WNOHANG), pids[i]);
		KT_EQ(status, W_EXITCODE(i, 0));
	}
	KT_EQ(waitpid(l, &status, WNOHANG), l);
	KT_EQ(status, W_EXITCODE(50, 0));
	kt_reap_ok(h);
	kt_pass();
}
