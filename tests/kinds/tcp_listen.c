/* Shows: listening TCP sockets keep address, port and options, and accept as before.
 *
 *	first (IPv4 on loopback, IPv6 on any, each with a port the kernel chose; one bound, not listening)
 */
#include "kindtest.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int listen_on(int family, struct sockaddr_in6 *ret, bool listening)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	socklen_t len = sizeof(*ret);

	if (fd < 0 && family == AF_INET6)
		return -1; /* a host without IPv6 */
	KT_SYS(fd);
	KT_SYS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	KT_SYS(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){0}, sizeof(int)));
	KT_SYS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	KT_SYS(family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
				 : bind(fd, (struct sockaddr *)&v6, sizeof(v6)));
	if (listening)
		KT_SYS(listen(fd, 17));
	KT_SYS(getsockname(fd, (struct sockaddr *)ret, &len));
	return fd;
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	KT_SYS(getsockopt(fd, level, name, &v, &len));
	return v;
}

static void verify(int fd, const struct sockaddr_in6 *before, bool listening)
{
	struct sockaddr_in6 a = {0};
	socklen_t len = sizeof(a);
	char buf[4] = "";
	int c, s;

	KT_SYS(getsockname(fd, (struct sockaddr *)&a, &len));
	KT_CHECK(!memcmp(&a, before, len));
	KT_EQ(option(fd, SOL_SOCKET, SO_ACCEPTCONN), listening);
	KT_EQ(option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	KT_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	KT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	if (!listening) {
		KT_SYS(listen(fd, 1));
	}
	KT_ERR(accept(fd, NULL, NULL), EAGAIN);
	if (a.sin6_family == AF_INET6)
		a.sin6_addr = in6addr_loopback;
	c = KT_SYS(socket(a.sin6_family, SOCK_STREAM, 0));
	KT_SYS(connect(c, (struct sockaddr *)&a, len));
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000)), 1);
	s = KT_SYS(accept(fd, NULL, NULL));
	KT_EQ(KT_SYS(send(c, "hi", 3, 0)), 3);
	KT_EQ(KT_SYS(recv(s, buf, 3, MSG_WAITALL)), 3);
	KT_STR_EQ(buf, "hi");
}

int main(void)
{
	struct sockaddr_in6 a[3] = {0};
	int fd[3];

	fd[0] = listen_on(AF_INET, &a[0], true);
	fd[1] = listen_on(AF_INET6, &a[1], true);
	fd[2] = listen_on(AF_INET, &a[2], false);
	kt_ready_and_wait();
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0)
			verify(fd[i], &a[i], i < 2);
	kt_pass();
}
