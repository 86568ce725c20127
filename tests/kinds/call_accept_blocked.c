/* Shows: a server blocked in accept(2) gets the connection made afterwards.
 *
 *	first ── server
 */
#include "kindtest.h"

#include <netinet/in.h>
#include <sys/socket.h>

static int listener;

static void server(void *arg)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	char buf[8] = "";
	int fd = KT_SYS(accept(listener, (struct sockaddr *)&peer, &len));

	KT_EQ(peer.sin_family, AF_INET);
	KT_EQ(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	KT_EQ(KT_SYS(recv(fd, buf, 5, MSG_WAITALL)), 5);
	KT_STR_EQ(buf, "ping");
	KT_EQ(KT_SYS(send(fd, "pong", 5, 0)), 5);
}

int main(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	char buf[8] = "";
	pid_t pid;
	int fd;

	listener = KT_SYS(socket(AF_INET, SOCK_STREAM, 0));
	KT_SYS(bind(listener, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(listen(listener, 5));
	KT_SYS(getsockname(listener, (struct sockaddr *)&a, &len));
	pid = kt_child(server, NULL);
	kt_await_syscall(pid, pid, SYS_accept);
	kt_ready_and_wait();
	kt_await_syscall(pid, pid, SYS_accept);
	fd = KT_SYS(socket(AF_INET, SOCK_STREAM, 0));
	KT_SYS(connect(fd, (struct sockaddr *)&a, sizeof(a)));
	KT_EQ(KT_SYS(send(fd, "ping", 5, 0)), 5);
	KT_EQ(KT_SYS(recv(fd, buf, 5, MSG_WAITALL)), 5);
	KT_STR_EQ(buf, "pong");
	kt_reap_ok(pid);
	kt_pass();
}
