/* Netlink: ports that the kernel chooses, which are made of the tgid, and what it tells of processes. */
#include "case.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static int make(void)
{
	return (int)BD_DO(raw(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static uint32_t port(int s)
{
	struct sockaddr_nl a = {};
	socklen_t len = sizeof(a);

	BD_DO(raw(SYS_getsockname, s, &a, &len));
	BD_EQ(len, sizeof(a));
	BD_EQ(a.nl_family, AF_NETLINK);
	return a.nl_pid;
}

static const struct request {
	struct nlmsghdr head;
	struct rtgenmsg gen;
} request = { { sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 0 }, { AF_UNSPEC } };

/* Our number, or a large one where another process in this network namespace has taken that. */
static void check_chosen(uint32_t p)
{
	if (p != (uint32_t)raw(SYS_getpid))
		BD_OP((int32_t)p, <, -4096);
}

/* Headers of replies carry the port as well: programs compare. */
static void check_reply(int s)
{
	char buf[16384];
	long n = BD_DO(raw(SYS_read, s, buf, sizeof(buf)));
	struct nlmsghdr *h = (void *)buf;

	BD_OP(n, >=, sizeof(*h));
	BD_EQ(h->nlmsg_seq, 7);
	BD_EQ(h->nlmsg_pid, port(s));
	check_chosen(h->nlmsg_pid);
}

static void by_bind(void)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int a = make(), b = make(), c = make();

	BD_EQ(port(a), 0);
	BD_DO(raw(SYS_bind, a, &any, sizeof(any)));
	check_chosen(port(a));
	BD_EQ(any.nl_pid, 0); /* the caller's is not written to */
	BD_EQ(raw(SYS_sendto, a, &request, sizeof(request), 0, &any, sizeof(any)), sizeof(request));
	check_reply(a);
	BD_DO(raw(SYS_bind, b, &any, sizeof(any)));
	BD_OP((int32_t)port(b), <, -4096); /* the first has it */
	BD_ERR(raw(SYS_bind, b, &any, sizeof(any)), EINVAL);
	any.nl_pid = (uint32_t)raw(SYS_getpid) | 900u << 22; /* as libnl does */
	BD_DO(raw(SYS_bind, c, &any, sizeof(any)));
	BD_EQ(port(c), any.nl_pid);
	BD_ERR(raw(SYS_bind, make(), &any, sizeof(any)), EADDRINUSE);
	BD_ERR(raw(SYS_bind, make(), &any, 4), EINVAL);
	BD_ERR(raw(SYS_bind, make(), 8, sizeof(any)), EFAULT);
}

static void by_sending(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct iovec iov = { (void *)&request, sizeof(request) };
	struct msghdr m = { .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = &iov, .msg_iovlen = 1 };
	int s = make();

	BD_EQ(raw(SYS_sendto, s, &request, sizeof(request), 0, &kernel, sizeof(kernel)), sizeof(request));
	check_reply(s);
	s = make();
	BD_EQ(raw(SYS_sendmsg, s, &m, 0), sizeof(request));
	check_reply(s);
}

static void by_connect(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int s = make(), pair[2];

	BD_DO(raw(SYS_connect, s, &kernel, sizeof(kernel)));
	BD_EQ(raw(SYS_write, s, &request, sizeof(request)), sizeof(request));
	check_reply(s);
	BD_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	BD_ERR(raw(SYS_connect, pair[0], &kernel, sizeof(kernel)), EINVAL);
}

/* The connector tells of every birth, exec and death of the host (drivers/connector/cn_proc.c); a PID namespace of none. */
static void of_no_births_and_deaths(void)
{
	struct {
		struct nlmsghdr head;
		char cn[sizeof(struct cn_msg)];
		uint32_t op;
	} listen = { { sizeof(listen), NLMSG_DONE, 0, 0, 0 }, {}, PROC_CN_MCAST_LISTEN };
	struct cn_msg cn = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(listen.op) };
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	long s = raw(SYS_socket, AF_NETLINK, SOCK_DGRAM, NETLINK_CONNECTOR);
	char buf[1024];

	if (bd_virtual())
		BD_ERR(s, EPROTONOSUPPORT);
	if (s < 0)
		return;
	if (raw(SYS_bind, s, &a, sizeof(a)) < 0)
		return;
	memcpy(listen.cn, &cn, sizeof(cn));
	raw(SYS_sendto, s, &listen, sizeof(listen), 0, NULL, 0);
	bd_end(bd_sleeper());
	BD_ERR(raw(SYS_recvfrom, s, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL), EAGAIN);
}

const struct bd_case bd_cases[] = {
	{ "a port is chosen by bind", by_bind },
	{ "a port is chosen by sending", by_sending },
	{ "a port is chosen by connect", by_connect },
	{ "births and deaths are not told", of_no_births_and_deaths },
	{},
};
