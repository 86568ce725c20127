/* Shows: bytes under way on a TCP connection arrive once and in order, both ways, then the end.
 *
 *	first (both ends)
 */
#include "tcp_pair.h"

enum { LEN = 40000 };
static char buf[LEN];

static void put(int fd, uint32_t seed)
{
	kt_fill(buf, LEN, seed);
	for (size_t n = 0; n < LEN;)
		n += (size_t)KT_SYS(send(fd, buf + n, LEN - n, MSG_NOSIGNAL));
}

static void get(int fd, uint32_t seed)
{
	memset(buf, 0, LEN);
	KT_EQ(KT_SYS(recv(fd, buf, LEN, MSG_WAITALL)), LEN);
	kt_check_fill("content", buf, LEN, seed);
	KT_ERR(recv(fd, buf, 1, MSG_DONTWAIT), EAGAIN);
}

int main(void)
{
	int fd[2];

	tcp_pair(fd);
	put(fd[0], 1);
	put(fd[1], 2);
	kt_ready_and_wait();
	get(fd[1], 1);
	get(fd[0], 2);
	put(fd[0], 3);
	get(fd[1], 3);
	put(fd[1], 4);
	KT_SYS(shutdown(fd[1], SHUT_WR));
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = fd[0], .events = POLLRDHUP}, 1, 5000)), 1);
	memset(buf, 0, LEN);
	KT_EQ(KT_SYS(recv(fd[0], buf, LEN, MSG_WAITALL)), LEN);
	kt_check_fill("last content", buf, LEN, 4);
	KT_EQ(recv(fd[0], buf, 1, 0), 0);
	KT_EQ(KT_SYS(send(fd[0], "x", 1, MSG_NOSIGNAL)), 1); /* only one half is shut */
	KT_EQ(KT_SYS(recv(fd[1], buf, 1, 0)), 1);
	kt_pass();
}
