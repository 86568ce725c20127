/* SCM_CREDENTIALS and SCM_PIDFD, and descriptors passed in. */
#include "case.h"

#include <sys/socket.h>

static int pair[2];

static void open_pair(int type)
{
	int one = 1;

	BD_SYS(socketpair(AF_UNIX, type, 0, pair));
	BD_SYS(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
}

static long send_as(pid_t pid)
{
	char control[CMSG_SPACE(sizeof(struct ucred))] = {};
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct ucred u = { pid, getuid(), getgid() };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(u));
	memcpy(CMSG_DATA(c), &u, sizeof(u));
	return raw(SYS_sendmsg, pair[0], &m, 0);
}

static pid_t received(int s, struct msghdr *given)
{
	char control[256], byte[16];
	struct iovec iov = { byte, sizeof(byte) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct ucred u = { -9, 0, 0 };

	if (!given) {
		given = &m;
		BD_OP(raw(SYS_recvmsg, s, &m, 0), >, 0);
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(given); c; c = CMSG_NXTHDR(given, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&u, CMSG_DATA(c), sizeof(u));
	return u.pid;
}

static void send_plainly(void *arg)
{
	BD_EQ(raw(SYS_write, pair[0], "x", 1), 1);
	BD_EQ(send_as((pid_t)raw(SYS_getpid)), 1);
}

static void the_sender_is_named(void)
{
	pid_t child;

	open_pair(SOCK_DGRAM);
	child = bd_child(send_plainly, NULL);
	BD_EQ(received(pair[1], NULL), child);
	BD_EQ(received(pair[1], NULL), child);
	bd_reap_ok(child);
	BD_EQ(send_as(0 + (pid_t)raw(SYS_getpid)), 1);
	BD_EQ(received(pair[1], NULL), raw(SYS_getpid));
}

/* With privilege (CAP_SYS_ADMIN over the pid namespace) any process that exists may be named. */
static void others_cannot_be_named(void)
{
	pid_t child = bd_sleeper();
	long r;

	open_pair(SOCK_DGRAM);
	r = send_as(child);
	if (geteuid() == 0) {
		BD_EQ(r, 1);
		BD_EQ(received(pair[1], NULL), child);
	} else {
		BD_ERR(r, EPERM);
	}
	if (geteuid() == 0)
		BD_OUTSIDE_ERR(send_as(outside), ESRCH);
	else
		BD_OUTSIDE_ERR(send_as(outside), EPERM);
	bd_end(child);
}

static void many_at_once(void)
{
	char control[2][256], bytes[2];
	struct iovec iov[2] = { { &bytes[0], 1 }, { &bytes[1], 1 } };
	struct mmsghdr m[2] = {};

	open_pair(SOCK_DGRAM);
	for (int i = 0; i < 2; i++) {
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	BD_EQ(raw(SYS_sendmmsg, pair[0], m, 2, 0), 2);
	for (int i = 0; i < 2; i++) {
		m[i].msg_hdr.msg_control = control[i];
		m[i].msg_hdr.msg_controllen = sizeof(control[i]);
	}
	BD_EQ(raw(SYS_recvmmsg, pair[1], m, 2, 0, NULL), 2);
	for (int i = 0; i < 2; i++)
		BD_EQ(received(-1, &m[i].msg_hdr), raw(SYS_getpid));
}

static void outside_is_process_0(void)
{
	int s = bd_connect(), one = 1;

	BD_SYS(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	BD_EQ(write(s, "hello\n", 6), 6);
	BD_EQ(received(s, NULL), 0);
}

/* Control messages that another thread could change, that are cut off, or that lie. */
static void control_that_makes_no_sense(void)
{
	char control[64] = {};
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 24 };
	struct cmsghdr *c = (struct cmsghdr *)control;

	open_pair(SOCK_DGRAM);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = 1000;
	BD_ERR(raw(SYS_sendmsg, pair[0], &m, 0), EINVAL);
	c->cmsg_len = CMSG_LEN(4);
	BD_ERR(raw(SYS_sendmsg, pair[0], &m, 0), EINVAL);
	m.msg_control = (void *)8;
	BD_ERR(raw(SYS_sendmsg, pair[0], &m, 0), EFAULT);
	BD_ERR(raw(SYS_sendmsg, pair[0], 8, 0), EFAULT);
}

const struct bd_case bd_cases[] = {
	{ "the sender is named", the_sender_is_named },
	{ "others cannot be named, nobody outside at all", others_cannot_be_named },
	{ "sendmmsg and recvmmsg", many_at_once },
	{ "a sender outside is process 0", outside_is_process_0 },
	{ "control messages that make no sense", control_that_makes_no_sense },
	{},
};
