/* Refused with E_EPOLL_SIGNALFD: an epoll instance that watches a signalfd.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 3};
	int ep = KT_SYS(epoll_create1(0)), fd;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	KT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	fd = KT_SYS(signalfd(-1, &set, 0));
	KT_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	kt_refused_with("E_EPOLL_SIGNALFD");
	kt_ready_and_wait();
	KT_EQ(epoll_wait(ep, &e, 1, 0), 0);
	KT_SYS(kill(getpid(), SIGUSR1));
	KT_EQ(KT_SYS(epoll_wait(ep, &e, 1, 1000)), 1);
	KT_EQ(e.data.u64, 3);
	kt_pass();
}
