/* Shows: an epoll instance keeps what it watches, for which events and with which data, shared too.
 *
 *	first (level, edge, one-shot spent, one-shot armed, nothing) ── child with the same instance
 */
#include "kindtest.h"

#include <sys/epoll.h>

static int ep;

static void add(int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = {.events = events, .data.u64 = data};

	KT_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}

/* Which of the data values are reported now: a bit for each below 32. */
static unsigned ready(void)
{
	struct epoll_event e[16];
	unsigned bits = 0;
	int n = KT_SYS(epoll_wait(ep, e, 16, 0));

	for (int i = 0; i < n; i++) {
		KT_EQ(e[i].data.u64 >> 32, 0xabcdef);
		bits |= 1u << (uint32_t)e[i].data.u64;
	}
	return bits;
}

static void child(void *arg)
{
	kt_mark("child");
	kt_wait_go();
	kt_await("level only");
	KT_EQ(ready(), 1u << 0);
}

int main(void)
{
	const uint64_t tag = 0xabcdefull << 32;
	int p[5][2];
	pid_t pid;

	ep = KT_SYS(epoll_create1(EPOLL_CLOEXEC));
	for (int i = 0; i < 5; i++)
		KT_SYS(pipe(p[i]));
	add(p[0][0], EPOLLIN, tag | 0);
	add(p[1][0], EPOLLIN | EPOLLET, tag | 1);
	add(p[2][0], EPOLLIN | EPOLLONESHOT, tag | 2);
	add(p[3][0], EPOLLIN | EPOLLONESHOT, tag | 3);
	add(p[4][0], EPOLLPRI, tag | 4);
	for (int i = 0; i < 3; i++)
		KT_EQ(write(p[i][1], "x", 1), 1);
	KT_EQ(ready(), 1u << 0 | 1u << 1 | 1u << 2);
	KT_EQ(ready(), 1u << 0); /* edge and one-shot have been told */
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	/* An edge may be told once more, as after any new registration; the spent one-shot may not. */
	KT_EQ(ready() & ~(1u << 1), 1u << 0);
	KT_EQ(ready(), 1u << 0);
	kt_mark("level only");
	kt_reap_ok(pid);
	for (int i = 1; i < 5; i++)
		KT_EQ(write(p[i][1], "y", 1), 1);
	KT_EQ(ready(), 1u << 0 | 1u << 1 | 1u << 3);
	KT_EQ(ready(), 1u << 0);
	KT_SYS(epoll_ctl(ep, EPOLL_CTL_MOD, p[2][0],
			 &(struct epoll_event){.events = EPOLLIN, .data.u64 = tag | 9}));
	KT_EQ(ready(), 1u << 0 | 1u << 9);
	KT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p[3][0], &(struct epoll_event){0}), EEXIST);
	for (int i = 0; i < 5; i++)
		KT_SYS(epoll_ctl(ep, EPOLL_CTL_DEL, p[i][0], NULL));
	KT_EQ(ready(), 0);
	kt_pass();
}
