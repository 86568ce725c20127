/* Shows: epoll_wait(2), which a stop would end with EINTR, goes on and waits for the rest of its time.
 *
 *	first ─┬─ epoll_wait with a timeout
 *	       └─ epoll_wait without, woken afterwards
 */
#include "kindtest.h"

#include <sys/epoll.h>

static int silent[2], written[2];

static int watch(int fd)
{
	int ep = KT_SYS(epoll_create1(EPOLL_CLOEXEC));

	KT_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.u64 = 77}));
	return ep;
}

static void timed(void *arg)
{
	struct epoll_event e;
	int ep = watch(silent[0]);
	double began = kt_now();

	KT_EQ(KT_SYS(epoll_wait(ep, &e, 1, (int)(KT_WAIT * 1000))), 0);
	kt_waited("epoll_wait", began);
}

static void endless(void *arg)
{
	struct epoll_event e[4];
	int ep = watch(written[0]);

	KT_EQ(KT_SYS(epoll_wait(ep, e, 4, -1)), 1);
	KT_EQ(e[0].data.u64, 77);
	KT_EQ(e[0].events, EPOLLIN);
}

int main(void)
{
	double began = kt_now();
	pid_t a, b;

	KT_SYS(pipe(silent));
	KT_SYS(pipe(written));
	a = kt_child(timed, NULL);
	b = kt_child(endless, NULL);
	kt_await_syscall(a, a, SYS_epoll_wait);
	kt_await_syscall(b, b, SYS_epoll_wait);
	kt_until_before(began);
	kt_ready_and_wait();
	KT_EQ(KT_SYS(write(written[1], "x", 1)), 1);
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
