/* Sockets tell who is at the other end: SO_PEERCRED, SCM_CREDENTIALS. And their names may be files'. */
#include "virtual/shim/trap.h"

#define SOL_SOCKET_ 1
#define SCM_CREDENTIALS_ 2
#define SO_PEERCRED_ 17
#define AF_UNIX_ 1
#define NOBODY 0x0fffffff
#define CONTROL_MAX 2048 /* what we copy to put another number in; the kernel's own limit is larger, a sender's need is not */

struct ucred {
	int pid;
	unsigned uid, gid;
};

struct user_msghdr {
	void *name;
	int namelen;
	void *iov;
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

SPECIAL(sockets_peer)
{
	struct ucred c;
	unsigned len = sizeof c;
	long e = CALL5(__NR_getsockopt, t->arg[0], SOL_SOCKET_, SO_PEERCRED_, &c, &len);
	int *theirs = (int *)t->arg[3], guest;

	if (e == 0 && t->arg[2] != SO_PEERCRED_ && !ids_guest(c.pid))
		return -EINVAL; /* a pidfd of somebody outside */
	e = trap_native(t);
	if (e < 0 || t->arg[2] != SO_PEERCRED_ || *(const unsigned *)t->arg[4] < sizeof guest)
		return e;
	guest = ids_guest(*theirs);
	return guest_write(theirs, &guest, sizeof guest) ? e : -EFAULT;
}

/* The next SCM_CREDENTIALS at or behind *at in a control buffer; NULL: no more. */
static struct ucred *credentials(char *control, unsigned long len, unsigned long *at)
{
	while (*at + sizeof(struct cmsghdr) <= len) {
		struct cmsghdr *h = (struct cmsghdr *)(control + *at);
		unsigned long size = h->len;
		if (size < sizeof *h || size > len - *at)
			return 0;
		*at += ALIGNED(size);
		if (h->level == SOL_SOCKET_ && h->type == SCM_CREDENTIALS_ && size >= sizeof *h + sizeof(struct ucred))
			return (struct ucred *)(h + 1);
	}
	return 0;
}

static void received(const struct user_msghdr *m)
{
	unsigned long at = 0;
	struct ucred *c;

	if (!m->control || !m->controllen)
		return;
	while ((c = credentials(m->control, m->controllen, &at)))
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

/* Names below /proc are the host's. Through "self" they are the caller's own in any case. */
static long check_name(const void *name, long len)
{
	char copy[112];
	const char *path = copy + 2;

	if (!name || len < 4 || len > 110 || !guest_readable(name, (unsigned long)len))
		return 0;
	__builtin_memcpy(copy, name, (unsigned long)len);
	copy[len] = 0;
	if (*(const unsigned short *)copy != AF_UNIX_ || !path[0] || !paths_names_proc(path))
		return 0;
	return paths_own_proc(path) ? 0 : -ENOENT;
}

SPECIAL(sockets_name)
{
	bool send = t->nr == __NR_sendto;
	long e = check_name((const void *)t->arg[send ? 4 : 1], t->arg[send ? 5 : 2]);

	return e < 0 ? e : trap_native(t);
}

/* *copy gets the control data with the host's numbers where there are credentials. */
static long prepare(struct user_msghdr *m, char *copy, unsigned long *left)
{
	unsigned long at = 0;
	struct ucred *c;
	bool any = false;
	long r = check_name(m->name, m->namelen);

	if (r < 0 || !m->control || m->controllen < sizeof(struct cmsghdr) || !guest_readable(m->control, m->controllen))
		return r;
	while ((c = credentials(m->control, m->controllen, &at)))
		any = true;
	if (!any)
		return 0;
	if (m->controllen > *left)
		return -EMSGSIZE;
	__builtin_memcpy(copy, m->control, m->controllen);
	m->control = copy;
	*left -= m->controllen;
	for (at = 0; (c = credentials(copy, m->controllen, &at));) {
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
	unsigned long left = sizeof copy;
	struct user_msghdr m;
	long r;

	if (!guest_readable(from, sizeof m))
		return -EFAULT;
	__builtin_memcpy(&m, from, sizeof m);
	r = prepare(&m, copy, &left);
	return r < 0 ? r : CALL3(__NR_sendmsg, t->arg[0], &m, flags);
}

SPECIAL(sockets_send)
{
	struct mmsghdr *all = (struct mmsghdr *)t->arg[1];
	unsigned n = (unsigned)t->arg[2] > 1024 ? 1024 : (unsigned)t->arg[2], i;
	long e = 0;

	if (t->nr == __NR_sendmsg)
		return send_one(t, (const struct user_msghdr *)t->arg[1], t->arg[2]);
	/* As the kernel does: one by one, and how many before the first that failed. */
	for (i = 0; i < n; i++) {
		unsigned len;
		e = send_one(t, &all[i].head, t->arg[3]);
		if (e < 0)
			break;
		len = (unsigned)e;
		if (!guest_write(&all[i].len, &len, sizeof len))
			return -EFAULT;
	}
	return i ? (long)i : e;
}
