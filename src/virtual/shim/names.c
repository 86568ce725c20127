/* Names of sockets. One of a unix socket may lead into /proc; that of a netlink socket is a port, which the kernel would choose
 * by the host's number of the caller (net/netlink/af_netlink.c netlink_autobind()).
 *
 * A port is no pid: whoever wants may take any, and it stands in the headers of messages, which are read by read(2) too. So
 * nothing is converted there. But a port that the kernel is to choose is chosen here, as it would be in a PID namespace:
 * the container's number of the process, or a large one where somebody in the network namespace has that. */
#include "virtual/shim/trap.h"

#define AF_UNIX_ 1
#define AF_NETLINK_ 16
#define TRIES 32

struct netlink_name {
	unsigned short family, pad;
	unsigned port, groups;
};

/* Names below /proc are the host's. Through "self" they are the caller's own in any case. */
static long check_unix(const struct socket_name *n, long len)
{
	return n->data[0] && paths_names_proc(n->data) && !paths_own_proc(n->data) && len <= 110 ? -ENOENT : 0;
}

static bool is_unbound_netlink(long fd)
{
	struct netlink_name now = {0};
	int len = sizeof now;

	return CALL3(__NR_getsockname, fd, &now, &len) == 0 && now.family == AF_NETLINK_ && !now.port;
}

/* As netlink_autobind() goes about it. */
static long bind_netlink(long fd, struct netlink_name *n, long len)
{
	long r;

	n->port = (unsigned)ids_guest(ids_self());
	r = CALL3(__NR_bind, fd, n, len);
	for (int i = 0; r == -EADDRINUSE && i < TRIES; i++) {
		if (CALL3(__NR_getrandom, &n->port, sizeof n->port, 0) != sizeof n->port)
			break;
		n->port = n->port % 0x7fffe000u + 0x80000000u; /* as a signed number: less than -4096 */
		r = CALL3(__NR_bind, fd, n, len);
	}
	return r;
}

long names_take(struct socket_name *ours, const void **name, long *len)
{
	const char *theirs = *name;

	/* The kernel says what is wrong with it. */
	if (!theirs || *len < 2 || *len > NAME_MAX_ || !guest_readable(theirs, (unsigned long)*len))
		return 0;
	__builtin_memset(ours, 0, sizeof *ours);
	__builtin_memcpy(ours, theirs, (unsigned long)*len);
	*name = ours;
	return ours->family == AF_UNIX_ ? check_unix(ours, *len) : 0;
}

void names_before_use(long fd, const void *name, long len)
{
	struct netlink_name own = {.family = AF_NETLINK_};

	if (name && len >= (long)sizeof own && ((const struct socket_name *)name)->family == AF_NETLINK_ &&
	    is_unbound_netlink(fd))
		bind_netlink(fd, &own, sizeof own);
}

SPECIAL(names_bind)
{
	struct socket_name ours;
	struct netlink_name *n = (void *)&ours;
	const void *name = (const void *)t->arg[1];
	long len = (int)t->arg[2], e = names_take(&ours, &name, &len);

	if (e < 0)
		return e;
	if (name == &ours && n->family == AF_NETLINK_ && len >= (long)sizeof *n && !n->port && is_unbound_netlink(t->arg[0]))
		return bind_netlink(t->arg[0], n, len);
	return CALL3(t->nr, t->arg[0], name, t->arg[2]);
}

/* connect(2), sendto(2) */
SPECIAL(names_call)
{
	struct socket_name ours;
	int at = t->nr == __NR_sendto ? 4 : 1;
	const void *name = (const void *)t->arg[at];
	long len = (int)t->arg[at + 1], e = names_take(&ours, &name, &len);

	if (e < 0)
		return e;
	if (name == &ours)
		names_before_use(t->arg[0], name, len);
	t->arg[at] = (long)name;
	return trap_native(t);
}
