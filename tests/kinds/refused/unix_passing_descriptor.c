/* Refused with E_UNIX_SCM: a unix socket with a descriptor in flight.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/socket.h>

int main(void)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} c = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	char text[4] = "fd";
	struct iovec v = {.iov_base = text, .iov_len = 3};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
	int s[2], p[2], got;

	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	KT_SYS(pipe(p));
	memcpy(CMSG_DATA(&c.head), &p[1], sizeof(int));
	KT_EQ(KT_SYS(sendmsg(s[0], &m, 0)), 3);
	KT_SYS(close(p[1]));
	memset(&c, 0, sizeof(c));
	kt_refused_with("E_UNIX_SCM");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(recvmsg(s[1], &m, 0)), 3);
	KT_EQ(c.head.cmsg_type, SCM_RIGHTS);
	memcpy(&got, CMSG_DATA(&c.head), sizeof(int));
	KT_EQ(KT_SYS(write(got, "x", 1)), 1);
	KT_EQ(KT_SYS(read(p[0], text, 1)), 1);
	kt_pass();
}
