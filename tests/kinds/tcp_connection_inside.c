/* Shows: a TCP connection with both ends inside goes on, with its addresses and options.
 *
 *	first (client) ── child (server)
 */
#include "tcp_pair.h"

static int fd[2];

static void exchange(int mine, int rounds, bool first)
{
	char buf[8] = "";

	for (int i = 0; i < rounds; i++) {
		if (first)
			KT_EQ(KT_SYS(send(mine, "ping", 5, MSG_NOSIGNAL)), 5);
		KT_EQ(KT_SYS(recv(mine, buf, 5, MSG_WAITALL)), 5);
		KT_STR_EQ(buf, first ? "pong" : "ping");
		if (!first)
			KT_EQ(KT_SYS(send(mine, "pong", 5, MSG_NOSIGNAL)), 5);
	}
}

static void server(void *arg)
{
	KT_SYS(close(fd[0]));
	exchange(fd[1], 3, false);
	kt_mark("server");
	kt_wait_go();
	exchange(fd[1], 5, false);
}

int main(void)
{
	struct sockaddr_in name[2] = {0}, now[2] = {0};
	int on = 1, idle = 77;
	socklen_t len;
	pid_t pid;
	char c;

	tcp_pair(fd);
	KT_SYS(setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	KT_SYS(setsockopt(fd[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	KT_SYS(setsockopt(fd[0], IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)));
	pid = kt_child(server, NULL);
	KT_SYS(close(fd[1]));
	exchange(fd[0], 3, true);
	len = sizeof(name[0]);
	KT_SYS(getsockname(fd[0], (struct sockaddr *)&name[0], &len));
	KT_SYS(getpeername(fd[0], (struct sockaddr *)&name[1], &len));
	kt_await("server");
	kt_ready_and_wait();
	KT_SYS(getsockname(fd[0], (struct sockaddr *)&now[0], &len));
	KT_SYS(getpeername(fd[0], (struct sockaddr *)&now[1], &len));
	KT_EQ(now[0].sin_port, name[0].sin_port);
	KT_EQ(now[1].sin_port, name[1].sin_port);
	KT_CHECK(!memcmp(now, name, sizeof(now)));
	len = sizeof(int);
	on = idle = 0;
	KT_SYS(getsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &on, &len));
	KT_EQ(on, 1);
	KT_SYS(getsockopt(fd[0], SOL_SOCKET, SO_KEEPALIVE, &on, &len));
	KT_EQ(on, 1);
	KT_SYS(getsockopt(fd[0], IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len));
	KT_EQ(idle, 77);
	exchange(fd[0], 5, true);
	kt_reap_ok(pid);
	KT_EQ(recv(fd[0], &c, 1, 0), 0);
	kt_pass();
}
