/* Shows: which directions of a unix pair were shut down, and what a vanished peer has left behind.
 *
 *	first (a shut for writing; c shut for reading; e without a peer, its last words unread)
 */
#include "kindtest.h"

#include <sys/socket.h>

int main(void)
{
	int a[2], c[2], e[2];
	char buf[16] = "";

	KT_CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, c));
	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, e));
	KT_EQ(send(a[0], "words", 6, 0), 6);
	KT_SYS(shutdown(a[0], SHUT_WR));
	KT_SYS(shutdown(c[0], SHUT_RD));
	KT_EQ(send(e[1], "last", 5, 0), 5);
	KT_SYS(close(e[1]));
	kt_ready_and_wait();
	KT_ERR(send(a[0], "x", 1, 0), EPIPE);
	KT_EQ(KT_SYS(recv(a[1], buf, sizeof(buf), 0)), 6);
	KT_STR_EQ(buf, "words");
	KT_EQ(recv(a[1], buf, sizeof(buf), 0), 0);
	KT_EQ(KT_SYS(send(a[1], "back", 5, 0)), 5);
	KT_EQ(KT_SYS(recv(a[0], buf, sizeof(buf), 0)), 5);
	KT_STR_EQ(buf, "back");
	KT_EQ(recv(c[0], buf, sizeof(buf), 0), 0);
	KT_ERR(send(c[1], "x", 1, 0), EPIPE);
	KT_EQ(KT_SYS(send(c[0], "out", 4, 0)), 4);
	KT_EQ(KT_SYS(recv(c[1], buf, sizeof(buf), 0)), 4);
	KT_EQ(KT_SYS(recv(e[0], buf, sizeof(buf), 0)), 5);
	KT_STR_EQ(buf, "last");
	KT_EQ(recv(e[0], buf, sizeof(buf), 0), 0);
	KT_ERR(send(e[0], "x", 1, 0), EPIPE);
	kt_pass();
}
