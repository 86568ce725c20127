/* SCM_CREDENTIALS and SCM_PIDFD, and descriptors passed in. */
#include "case.h"

#include <sys/socket.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

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

/* The messages of a sendmmsg(2): the i-th has `ucred`, of process pid, where i is bad. */
struct batch {
	struct mmsghdr m[4];
	struct iovec iov[4];
	char control[CMSG_SPACE(sizeof(struct ucred))];
};

static void make_batch(struct batch *b, int bad, pid_t pid)
{
	struct ucred u = { pid, getuid(), getgid() };
	struct cmsghdr *c = (struct cmsghdr *)b->control;

	memset(b, 0, sizeof(*b));
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(u)), SOL_SOCKET, SCM_CREDENTIALS };
	memcpy(CMSG_DATA(c), &u, sizeof(u));
	for (int i = 0; i < 4; i++) {
		b->iov[i] = (struct iovec){ "abcd", (size_t)i + 1 };
		b->m[i].msg_hdr.msg_iov = &b->iov[i];
		b->m[i].msg_hdr.msg_iovlen = 1;
		if (i == bad) {
			b->m[i].msg_hdr.msg_control = b->control;
			b->m[i].msg_hdr.msg_controllen = sizeof(b->control);
		}
	}
}

/* How many of each length have come; in all, or the first negative answer. */
static long batch_arrives(void)
{
	struct batch b;
	long n;

	make_batch(&b, -1, 0);
	for (int i = 0; i < 4; i++)
		b.iov[i] = (struct iovec){ (char[8]){}, 8 };
	n = raw(SYS_recvmmsg, pair[1], b.m, 4, MSG_DONTWAIT, NULL);
	for (long i = 0; i < n; i++)
		BD_EQ(b.m[i].msg_len, i + 1);
	return n;
}

/* net/socket.c __sys_sendmmsg(): the count of those before the one that failed; its error only if that is the first. */
static void a_batch_ends_at_what_is_refused(void)
{
	pid_t gone = bd_sleeper();
	struct batch b;
	int no = geteuid() == 0 ? ESRCH : EPERM;

	bd_end(gone);
	open_pair(SOCK_DGRAM);
	for (int bad = 0; bad < 4; bad++) {
		make_batch(&b, bad, gone);
		BD_EQ(raw(SYS_sendmmsg, pair[0], b.m, 4, 0), bad ? bad : -no);
		for (int i = 0; i < 4; i++)
			BD_EQ(b.m[i].msg_len, i < bad ? i + 1 : 0);
		BD_EQ(batch_arrives(), bad ? bad : -EAGAIN);
	}
	make_batch(&b, 2, (pid_t)raw(SYS_getpid));
	BD_EQ(raw(SYS_sendmmsg, pair[0], b.m, 4, 0), 4);
	BD_EQ(batch_arrives(), 4);
	make_batch(&b, -1, 0);
	b.m[2].msg_hdr.msg_iov = (void *)8;
	BD_EQ(raw(SYS_sendmmsg, pair[0], b.m, 4, 0), 2);
	BD_EQ(batch_arrives(), 2);
}

/* A length that cannot be stored ends it too, but its message is sent. */
static void a_batch_ends_at_memory_that_is_not_there(void)
{
	char *page = bd_shared(8192);
	struct mmsghdr *m = (struct mmsghdr *)(page + 4096) - 1;
	struct iovec iov = { "a", 1 };

	open_pair(SOCK_DGRAM);
	BD_SYS(munmap(page + 4096, 4096));
	m->msg_hdr.msg_iov = &iov;
	m->msg_hdr.msg_iovlen = 1;
	BD_EQ(raw(SYS_sendmmsg, pair[0], m, 2, 0), 1);
	BD_EQ(batch_arrives(), 1);
	BD_SYS(mprotect(page, 4096, PROT_READ));
	BD_ERR(raw(SYS_sendmmsg, pair[0], m, 1, 0), EFAULT);
	BD_EQ(batch_arrives(), 1);
	BD_ERR(raw(SYS_sendmmsg, pair[0], 8, 1, 0), EFAULT);
	BD_EQ(raw(SYS_sendmmsg, pair[0], 8, 0, 0), 0);
	BD_ERR(raw(SYS_sendmmsg, -1, 8, 0, 0), EBADF);
	BD_ERR(raw(SYS_recvmmsg, -1, 8, 0, 0, NULL), EBADF);
}

/* Of a stream that takes no more, the message that went only in part is the last. */
static void a_batch_ends_at_a_part(void)
{
	size_t size = 4 << 20;
	char *large = BD_SYS(mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct batch b;

	BD_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	make_batch(&b, -1, 0);
	b.iov[1] = (struct iovec){ large, size };
	BD_EQ(raw(SYS_sendmmsg, pair[0], b.m, 4, MSG_DONTWAIT), 2);
	BD_EQ(b.m[0].msg_len, 1);
	BD_OP(b.m[1].msg_len, >, 0);
	BD_OP(b.m[1].msg_len, <, size);
	BD_ERR(raw(SYS_sendmmsg, pair[0], b.m, 4, MSG_DONTWAIT), EAGAIN);
}

/* The pidfd that comes with a message of `s`; a socket that does not know of them skips. */
static int receive_pidfd(int s)
{
	char control[256], byte[16];
	struct iovec iov = { byte, sizeof(byte) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd = -1;

	BD_OP(raw(SYS_recvmsg, s, &m, 0), >, 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_PIDFD)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	BD_OP(fd, >=, 0);
	return fd;
}

static int pid_of(int pidfd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	return atoi(bd_line(path, "Pid:") ?: "-9");
}

static void say_something(void *arg)
{
	BD_EQ(raw(SYS_write, *(int *)arg, "x", 1), 1);
	raw(SYS_pause);
}

static void a_pidfd_of_the_sender(void)
{
	int one = 1, fd, s = bd_connect();
	pid_t child;

	open_pair(SOCK_DGRAM);
	if (raw(SYS_setsockopt, pair[1], SOL_SOCKET, SO_PASSPIDFD, &one, sizeof(one)) == -ENOPROTOOPT)
		bd_skip("no SO_PASSPIDFD before Linux 6.5");
	child = bd_child(say_something, &pair[0]);
	fd = receive_pidfd(pair[1]);
	BD_EQ(pid_of(fd), child);
	BD_DO(raw(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	bd_reap(child);

	BD_SYS(setsockopt(s, SOL_SOCKET, SO_PASSPIDFD, &one, sizeof(one)));
	BD_EQ(write(s, "hello\n", 6), 6);
	fd = receive_pidfd(s);
	BD_EQ(pid_of(fd), 0);
	BD_ERR(raw(SYS_pidfd_send_signal, fd, 0, NULL, 0), EINVAL);
	BD_ERR(raw(SYS_waitid, 3 /* P_PIDFD */, fd, NULL, WEXITED | WNOHANG, NULL), ECHILD);
}

const struct bd_case bd_cases[] = {
	{ "the sender is named", the_sender_is_named },
	{ "others cannot be named, nobody outside at all", others_cannot_be_named },
	{ "sendmmsg and recvmmsg", many_at_once },
	{ "a sender outside is process 0", outside_is_process_0 },
	{ "control messages that make no sense", control_that_makes_no_sense },
	{ "a batch ends at the message that is refused", a_batch_ends_at_what_is_refused },
	{ "a batch ends at memory that is not there", a_batch_ends_at_memory_that_is_not_there },
	{ "a batch ends at a message that went in part", a_batch_ends_at_a_part },
	{ "a pidfd of the sender", a_pidfd_of_the_sender },
	{},
};
