/* fcntl(2): who gets signals of a descriptor, who holds a lock. */
#include "virtual/shim/trap.h"

#include <linux/fcntl.h>

enum { OWNER_TID, OWNER_PID, OWNER_PGRP };

struct owner_ex {
	int type, pid;
};

/* F_GETOWN gives a group as a negative number, which looks like an error when it is small: so the kernel is asked in the
 * way that has no such trouble, as libc does. */
static long get_owner(const struct trap *t)
{
	struct owner_ex o;
	long r = CALL3(__NR_fcntl, t->arg[0], F_GETOWN_EX, &o);

	if (r < 0)
		return r;
	return o.type == OWNER_PGRP ? -ids_guest(o.pid) : ids_guest(o.pid);
}

SPECIAL(files_owner)
{
	struct owner_ex o;
	long e;

	if (t->arg[1] == F_GETOWN)
		return get_owner(t);
	if (t->arg[1] == F_GETOWN_EX) {
		e = CALL3(__NR_fcntl, t->arg[0], F_GETOWN_EX, &o);
		if (e < 0)
			return e;
		o.pid = ids_guest(o.pid);
		return guest_write((void *)t->arg[2], &o, sizeof o) ? 0 : -EFAULT;
	}
	if (!guest_readable((void *)t->arg[2], sizeof o))
		return -EFAULT;
	__builtin_memcpy(&o, (void *)t->arg[2], sizeof o);
	if (o.pid > 0) {
		int host = ids_host_checked(o.pid);
		if (!host)
			return o.type < OWNER_TID || o.type > OWNER_PGRP ? -EINVAL : -ESRCH;
		o.pid = host;
	}
	return CALL3(__NR_fcntl, t->arg[0], F_SETOWN_EX, &o);
}

SPECIAL(files_getlk)
{
	struct flock l;
	long e;

	if (!guest_readable((void *)t->arg[2], sizeof l))
		return -EFAULT;
	__builtin_memcpy(&l, (void *)t->arg[2], sizeof l);
	e = CALL3(__NR_fcntl, t->arg[0], t->arg[1], &l);
	if (e < 0)
		return e;
	if (l.l_type != F_UNLCK && l.l_pid > 0)
		l.l_pid = ids_guest(l.l_pid);
	return guest_write((void *)t->arg[2], &l, sizeof l) ? 0 : -EFAULT;
}
