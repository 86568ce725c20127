/* Sockets tell who is at the other end: SO_PEERCRED, SCM_CREDENTIALS. */
#include "virtual/shim/trap.h"

#define SOL_SOCKET_ 1
#define SCM_CREDENTIALS_ 2
#define SO_PEERCRED_ 17
#define NOBODY 0x0fffffff
#define CONTROL_MAX 2048 /* what we copy to put another number in; the kernel's own limit is larger, a sender's need is not */

struct ucred {
	int pid;
	unsigned uid, gid;
};

struct iovec {
	void *base;
	unsigned long len;
};

struct user_msghdr {
	const void *name;
	int namelen;
	const struct iovec *iov;
	unsigned long iovlen;
	char *control;
	unsigned long controllen;
	unsigned flags;
};

struct mmsghdr {
	struct user_msghdr head;
	unsigned len;
};

struct cmsghdr {
	unsigned long len;
	int level, type;
};

#define ALIGNED(n) (((n) + 7) & ~7ul)

/* net/core/sock.c sk_getsockopt() */
static long peer_credentials(const struct trap *t, struct ucred *c)
{
	int *len_at = (int *)t->arg[4], len;

	if (!guest_readable(len_at, sizeof len))
		return -EFAULT;
	len = *(volatile int *)len_at;
	if (len < 0)
		return -EINVAL;
	len = len < (int)sizeof *c ? len : (int)sizeof *c;
	c->pid = ids_guest(c->pid);
	return guest_write((void *)t->arg[3], c, (unsigned long)len) && guest_write(len_at, &len, sizeof len) ? 0 : -EFAULT;
}

SPECIAL(sockets_peer)
{
	struct ucred c;
	unsigned len = sizeof c;
	long e = CALL5(__NR_getsockopt, t->arg[0], SOL_SOCKET_, SO_PEERCRED_, &c, &len);

	if (e < 0)
		return trap_native(t);
	if (t->arg[2] == SO_PEERCRED_)
		return peer_credentials(t, &c);
	return ids_guest(c.pid) ? trap_native(t) : -EINVAL; /* a pidfd of somebody outside */
}

/* The next SCM_CREDENTIALS at or behind *at in a control buffer; NULL: no more. */
static struct ucred *credentials(char *control, unsigned long len, unsigned long *at)
{
	while (*at + sizeof(struct cmsghdr) <= len) {
		struct cmsghdr *h = (struct cmsghdr *)(control + *at);
		unsigned long size = *(volatile unsigned long *)&h->len;
		if (size < sizeof *h || size > len - *at)
			return 0;
		*at += ALIGNED(size);
		if (h->level == SOL_SOCKET_ && h->type == SCM_CREDENTIALS_ && size >= sizeof *h + sizeof(struct ucred))
			return (struct ucred *)(h + 1);
	}
	return 0;
}

/* The header is read once, and only memory that is there still is changed: another thread may use both. */
static void received(const struct user_msghdr *theirs)
{
	struct user_msghdr m;
	unsigned long at = 0;
	struct ucred *c;

	if (!guest_readable(theirs, sizeof m))
		return;
	__builtin_memcpy(&m, theirs, sizeof m);
	if (!m.control || !m.controllen || !guest_readable(m.control, m.controllen))
		return;
	while ((c = credentials(m.control, m.controllen, &at)))
		c->pid = ids_guest(c->pid);
}

SPECIAL(sockets_receive)
{
	long e = trap_native(t);

	if (e >= 0 && t->nr == __NR_recvmsg)
		received((const struct user_msghdr *)t->arg[1]);
	for (long i = 0; i < e && t->nr == __NR_recvmmsg; i++)
		received(&((const struct mmsghdr *)t->arg[1])[i].head);
	return e;
}

static bool has_credentials(char *control, unsigned long len)
{
	unsigned long at = 0;

	return credentials(control, len, &at);
}

/* The control data in *copy, with the host's numbers where there are credentials. */
static long prepare(struct user_msghdr *m, char copy[CONTROL_MAX])
{
	unsigned long at = 0;
	struct ucred *c;

	if (!m->control || m->controllen < sizeof(struct cmsghdr) || !guest_readable(m->control, m->controllen))
		return 0;
	if (m->controllen > CONTROL_MAX)
		return has_credentials(m->control, m->controllen) ? -EMSGSIZE : 0;
	__builtin_memcpy(copy, m->control, m->controllen);
	m->control = copy;
	while ((c = credentials(copy, m->controllen, &at))) {
		int host = ids_host(c->pid);
		/* Of nobody the kernel says so, after it has looked who may name others (net/core/scm.c scm_check_creds()). */
		if (c->pid > 0)
			c->pid = host ? host : NOBODY;
	}
	return 0;
}

static long send_one(const struct trap *t, const struct user_msghdr *from, long flags)
{
	char copy[CONTROL_MAX];
	struct socket_name ours;
	struct user_msghdr m;
	long r, len;

	if (!guest_readable(from, sizeof m))
		return -EFAULT;
	__builtin_memcpy(&m, from, sizeof m);
	len = m.namelen > NAME_MAX_ ? NAME_MAX_ : m.namelen; /* net/socket.c __copy_msghdr() */
	r = names_take(&ours, &m.name, &len);
	if (r < 0)
		return r;
	if (m.name == &ours)
		names_before_use(t->arg[0], m.name, len);
	r = prepare(&m, copy);
	return r < 0 ? r : CALL3(__NR_sendmsg, t->arg[0], &m, flags);
}

/* Has less been sent than there is? Then the next message must not follow. */
static bool is_partial(const struct mmsghdr *m, unsigned long sent)
{
	const struct iovec *v = m->head.iov;
	unsigned long n = m->head.iovlen, total = 0;

	if (n > 1024 || !guest_readable(v, n * sizeof *v))
		return false;
	for (unsigned long i = 0; i < n; i++)
		total += v[i].len;
	return sent < total;
}

/* One by one, and how many were sent before the first that failed: net/socket.c __sys_sendmmsg(). */
static long send_many(const struct trap *t)
{
	struct mmsghdr *all = (struct mmsghdr *)t->arg[1];
	unsigned n = (unsigned)t->arg[2] > 1024 ? 1024 : (unsigned)t->arg[2], sent = 0;
	long e = 0;

	while (sent < n) {
		struct mmsghdr *m = &all[sent];
		unsigned len;
		e = send_one(t, &m->head, t->arg[3]);
		if (e < 0)
			break;
		len = (unsigned)e;
		if (!guest_write(&m->len, &len, sizeof len)) {
			e = -EFAULT;
			break;
		}
		sent++;
		if (sent < n && is_partial(m, len))
			break;
	}
	return sent ? (long)sent : e;
}

SPECIAL(sockets_send)
{
	if (t->nr == __NR_sendmsg)
		return send_one(t, (const struct user_msghdr *)t->arg[1], t->arg[2]);
	return (unsigned)t->arg[2] ? send_many(t) : trap_native(t); /* of nothing: is it a socket? */
}
