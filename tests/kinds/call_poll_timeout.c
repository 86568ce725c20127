/* Shows: poll(2) keeps waiting for the rest of its time, or for ever, and still sees what happens.
 *
 *	first ─┬─ poll on a silent pipe, with a timeout
 *	       └─ poll without one, on a pipe written to afterwards
 */
#include "kindtest.h"

static int silent[2], written[2];

static void timed(void *arg)
{
	struct pollfd p = {.fd = silent[0], .events = POLLIN, .revents = -1};
	double began = kt_now();

	KT_EQ(KT_SYS(poll(&p, 1, (int)(KT_WAIT * 1000))), 0);
	KT_EQ(p.revents, 0);
	kt_waited("poll", began);
}

static void endless(void *arg)
{
	struct pollfd p[2] = {{.fd = silent[0], .events = POLLIN}, {.fd = written[0], .events = POLLIN}};

	KT_EQ(KT_SYS(poll(p, 2, -1)), 1);
	KT_EQ(p[0].revents, 0);
	KT_EQ(p[1].revents, POLLIN);
}

int main(void)
{
	double began = kt_now();
	pid_t a, b;

	KT_SYS(pipe(silent));
	KT_SYS(pipe(written));
	a = kt_child(timed, NULL);
	b = kt_child(endless, NULL);
	kt_await_syscall(a, a, SYS_poll);
	kt_await_syscall(b, b, SYS_poll);
	kt_until_before(began);
	kt_ready_and_wait();
	KT_CHECK(kt_state(b) != 'Z');
	KT_EQ(KT_SYS(write(written[1], "x", 1)), 1);
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
