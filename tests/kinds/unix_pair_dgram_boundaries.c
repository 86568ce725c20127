/* Shows: datagrams and packets between unix sockets keep their boundaries and order, empty ones too.
 *
 *	first (both ends of a SOCK_DGRAM and of a SOCK_SEQPACKET pair)
 */
#include "kindtest.h"

#include <sys/socket.h>

static void put(int fd)
{
	char big[3000];

	kt_fill(big, sizeof(big), 9);
	KT_EQ(KT_SYS(send(fd, "one", 3, 0)), 3);
	KT_EQ(KT_SYS(send(fd, "", 0, 0)), 0);
	KT_EQ(KT_SYS(send(fd, big, sizeof(big), 0)), sizeof(big));
	KT_EQ(KT_SYS(send(fd, "last", 4, 0)), 4);
}

static void get(int fd)
{
	char buf[5000] = "";

	KT_EQ(KT_SYS(recv(fd, buf, sizeof(buf), MSG_DONTWAIT)), 3);
	KT_STR_EQ(buf, "one");
	KT_EQ(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 0);
	KT_EQ(KT_SYS(recv(fd, buf, sizeof(buf), MSG_DONTWAIT)), 3000);
	kt_check_fill("datagram", buf, 3000, 9);
	KT_EQ(KT_SYS(recv(fd, buf, 2, MSG_DONTWAIT | MSG_TRUNC)), 4);
	KT_ERR(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
}

int main(void)
{
	int d[2], p[2];

	KT_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
	KT_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	for (int i = 0; i < 2; i++) {
		put(d[i]);
		put(p[i]);
	}
	kt_ready_and_wait();
	for (int i = 0; i < 2; i++) {
		get(d[i]);
		get(p[i]);
	}
	for (int i = 0; i < 2; i++) {
		put(d[i]);
		get(d[!i]);
		put(p[i]);
		get(p[!i]);
	}
	kt_pass();
}
