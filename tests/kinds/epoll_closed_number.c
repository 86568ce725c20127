/* Shows: an entry outlives the number it was added under while another descriptor keeps the file.
 *
 *	first (pipe end added as N, N closed, its duplicate open; N then reused by something else)
 */
#include "kindtest.h"

#include <sys/epoll.h>

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 7};
	int ep = KT_SYS(epoll_create1(0)), p[2], q[2], twin, n;

	KT_SYS(pipe(p));
	KT_SYS(pipe(q));
	n = p[0];
	KT_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, n, &e));
	twin = KT_SYS(fcntl(n, F_DUPFD, 200));
	KT_EQ(KT_SYS(dup2(q[0], n)), n); /* the number now is another file's */
	e.data.u64 = 8;
	KT_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, n, &e));
	kt_ready_and_wait();
	KT_EQ(epoll_wait(ep, &e, 1, 0), 0);
	KT_EQ(KT_SYS(write(p[1], "x", 1)), 1);
	KT_EQ(KT_SYS(epoll_wait(ep, &e, 1, 0)), 1);
	KT_EQ(e.data.u64, 7);
	KT_EQ(KT_SYS(read(twin, &e, 1)), 1);
	KT_EQ(KT_SYS(write(q[1], "x", 1)), 1);
	KT_EQ(KT_SYS(epoll_wait(ep, &e, 1, 0)), 1);
	KT_EQ(e.data.u64, 8);
	KT_SYS(epoll_ctl(ep, EPOLL_CTL_DEL, n, NULL)); /* q's entry */
	KT_EQ(KT_SYS(write(p[1], "x", 1)), 1);
	KT_EQ(KT_SYS(epoll_wait(ep, &e, 1, 0)), 1);
	KT_EQ(e.data.u64, 7);
	KT_SYS(close(twin)); /* the last descriptor: the entry goes with it */
	KT_EQ(epoll_wait(ep, &e, 1, 0), 0);
	kt_pass();
}
