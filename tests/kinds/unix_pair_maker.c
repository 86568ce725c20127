/* Shows: a unix pair remembers who made it (SO_PEERCRED), and a message who sent it (SO_PASSCRED).
 *
 *	first (made one pair, and made a socket that wants credentials)
 *	`-- child (made the other pair, sent a message, waits)
 */
#include "kindtest.h"

#include <sys/socket.h>

static pid_t maker_of(int fd)
{
	struct ucred c = {0};
	socklen_t n = sizeof(c);

	KT_SYS(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n));
	KT_EQ(c.uid, geteuid());
	return c.pid;
}

static pid_t sender_of_next(int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	char buf[16];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct ucred c;

	KT_EQ(KT_SYS(recvmsg(fd, &m, 0)), 4);
	KT_CHECK(CMSG_FIRSTHDR(&m) != NULL && CMSG_FIRSTHDR(&m)->cmsg_type == SCM_CREDENTIALS);
	memcpy(&c, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(c));
	return c.pid;
}

int main(void)
{
	int own[2], wants[2], status, on = 1;
	pid_t first = getpid(), child;

	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, own));
	KT_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, wants));
	KT_SYS(setsockopt(wants[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	child = KT_SYS(fork());
	if (child == 0) {
		int made[2];

		KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, made));
		KT_EQ(KT_SYS(send(wants[1], "from", 4, 0)), 4);
		kt_wait_go();
		KT_EQ(maker_of(made[0]), getpid());
		KT_EQ(maker_of(made[1]), getpid());
		_exit(0);
	}
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = wants[0], .events = POLLIN}, 1, 5000)), 1);
	kt_ready_and_wait();
	KT_EQ(maker_of(own[0]), first);
	KT_EQ(maker_of(own[1]), first);
	KT_EQ(sender_of_next(wants[0]), child);
	KT_EQ(KT_SYS(waitpid(child, &status, 0)), child);
	KT_EQ(status, 0);
	kt_pass();
}
