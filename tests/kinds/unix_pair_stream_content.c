/* Shows: a pair of unix stream sockets keeps what is under way both ways, its options and its maker.
 *
 *	first (a) ── child (b)
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { LEN = 30000 };
static int s[2];
static char buf[LEN];

static void expect(int fd, uint32_t seed)
{
	char got[LEN];

	for (size_t n = 0; n < LEN;)
		n += (size_t)KT_SYS(read(fd, got + n, LEN - n));
	kt_check_fill("content", got, LEN, seed);
	KT_ERR(recv(fd, got, 1, MSG_DONTWAIT), EAGAIN);
}

static void child(void *arg)
{
	char c;

	KT_SYS(close(s[0]));
	kt_mark("child");
	kt_wait_go();
	expect(s[1], 1);
	kt_mark("b has read");
	kt_await("a has read");
	KT_EQ(KT_SYS(send(s[1], "b", 1, 0)), 1);
	KT_EQ(KT_SYS(recv(s[1], &c, 1, 0)), 1);
	KT_EQ(c, 'a');
}

int main(void)
{
	struct sockaddr_un name = {0};
	socklen_t len = sizeof(int);
	int size = 100000, pass = 1, got = 0;
	struct ucred cred = {0};
	pid_t pid;
	char c;

	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	KT_SYS(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	KT_SYS(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &pass, sizeof(pass)));
	KT_SYS(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, &len));
	kt_fill(buf, LEN, 1);
	KT_EQ(write(s[0], buf, LEN), LEN);
	kt_fill(buf, LEN, 2);
	KT_EQ(write(s[1], buf, LEN), LEN);
	pid = kt_child(child, NULL);
	kt_await("child");
	KT_SYS(close(s[1]));
	kt_ready_and_wait();
	len = sizeof(int);
	KT_SYS(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &got, &len));
	KT_EQ(got, size);
	KT_SYS(getsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &got, &len));
	KT_EQ(got, 1);
	len = sizeof(cred);
	KT_SYS(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len));
	KT_EQ(cred.pid, getpid());
	KT_EQ(cred.uid, geteuid());
	len = sizeof(name);
	KT_SYS(getpeername(s[0], (struct sockaddr *)&name, &len));
	KT_EQ(len, sizeof(sa_family_t)); /* nameless */
	expect(s[0], 2);
	kt_mark("a has read");
	kt_await("b has read");
	KT_EQ(KT_SYS(send(s[0], "a", 1, 0)), 1);
	KT_EQ(KT_SYS(recv(s[0], &c, 1, 0)), 1);
	KT_EQ(c, 'b');
	kt_reap_ok(pid);
	KT_EQ(recv(s[0], &c, 1, 0), 0); /* its end was the child's alone */
	KT_EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	kt_pass();
}
