/* Shows: bytes under way on a TCP connection arrive once and in order, both ways, then the end.
 *
 *	first (both ends)
 */
#include "tcp_pair.h"

static char buf[40000];
/* What the receiver has no room for waits with the sender, where only root can read it. */
static size_t len;

static void put(int fd, uint32_t seed)
{
	kt_fill(buf, len, seed);
	for (size_t n = 0; n < len;)
		n += (size_t)KT_SYS(send(fd, buf + n, len - n, MSG_NOSIGNAL));
}

static void get(int fd, uint32_t seed)
{
	memset(buf, 0, sizeof(buf));
	KT_EQ(KT_SYS(recv(fd, buf, len, MSG_WAITALL)), len);
	kt_check_fill("content", buf, len, seed);
	KT_ERR(recv(fd, buf, 1, MSG_DONTWAIT), EAGAIN);
}

int main(void)
{
	int fd[2];

	len = geteuid() ? 16000 : 40000;
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
	memset(buf, 0, sizeof(buf));
	KT_EQ(KT_SYS(recv(fd[0], buf, len, MSG_WAITALL)), len);
	kt_check_fill("last content", buf, len, 4);
	KT_EQ(recv(fd[0], buf, 1, 0), 0);
	KT_EQ(KT_SYS(send(fd[0], "x", 1, MSG_NOSIGNAL)), 1); /* only one half is shut */
	KT_EQ(KT_SYS(recv(fd[1], buf, 1, 0)), 1);
	kt_pass();
}
