/* Shows: an epoll instance that watches another one.
 *
 *	first: outer ── inner ── pipe
 */
#include "kindtest.h"

#include <sys/epoll.h>

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 1};
	int outer = KT_SYS(epoll_create1(0)), inner = KT_SYS(epoll_create1(0)), p[2];
	char c;

	KT_SYS(pipe(p));
	KT_SYS(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &e));
	e.data.u64 = 2;
	KT_SYS(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e));
	kt_ready_and_wait();
	KT_EQ(epoll_wait(outer, &e, 1, 0), 0);
	KT_EQ(KT_SYS(write(p[1], "x", 1)), 1);
	KT_EQ(KT_SYS(epoll_wait(outer, &e, 1, 0)), 1);
	KT_EQ(e.data.u64, 2);
	KT_EQ(KT_SYS(epoll_wait(inner, &e, 1, 0)), 1);
	KT_EQ(e.data.u64, 1);
	KT_EQ(KT_SYS(read(p[0], &c, 1)), 1);
	KT_EQ(epoll_wait(outer, &e, 1, 0), 0);
	e.events = EPOLLIN;
	KT_ERR(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &e), ELOOP);
	kt_pass();
}
