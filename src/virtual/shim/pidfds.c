/* What is asked of a pidfd, of a namespace, or of another process's capabilities. */
#include "virtual/shim/trap.h"

#include <asm/statfs.h>
#include <linux/capability.h>

/* PIDFD_GET_INFO: include/uapi/linux/pidfd.h, Linux 6.13. */
struct info {
	uint64_t mask, cgroupid;
	int32_t pid, tgid, ppid;
	char rest[256];
};

#define PIDFD_GET_INFO_ 0xc040ff0b /* of the first version, 64 bytes */
#define PIDFD_INFO_PID_ 1

#define PROC_SUPER_MAGIC_ 0x9fa0

int pidfds_target(int pidfd)
{
	struct info i = {.mask = PIDFD_INFO_PID_};
	struct statfs fs;

	if (CALL3(__NR_ioctl, pidfd, PIDFD_GET_INFO_, &i) == 0)
		return i.tgid;
	/* A directory /proc/PID will do as well (kernel/signal.c pidfd_to_pid()). What we open there is none of procfs. */
	return CALL2(__NR_fstatfs, pidfd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC_ ? -1 : 0;
}

SPECIAL(pidfds_info)
{
	unsigned long size = ((unsigned long)t->arg[1] >> 16) & 0x3fff;
	void *to = (void *)t->arg[2];
	struct info i;
	long e;

	if (size < 28 || size > sizeof i)
		return trap_native(t);
	if (!guest_readable(to, size))
		return -EFAULT;
	__builtin_memcpy(&i, to, size);
	t->arg[2] = (long)&i;
	e = trap_native(t);
	if (e < 0)
		return e;
	if (i.pid > 0 && !ids_guest(i.pid))
		return -EREMOTE; /* as of somebody whom a namespace does not know */
	i.pid = ids_guest(i.pid);
	i.tgid = ids_guest(i.tgid);
	i.ppid = ids_guest(i.ppid);
	return guest_write(to, &i, size) ? e : -EFAULT;
}

/* NS_GET_{PID,TGID}_{FROM,IN}_PIDNS (ioctl_nsfs(2), Linux 6.11). The container's own namespace is the host's, and in it a
 * number is the same on both sides. */
SPECIAL(namespaces_pid)
{
	int host = ids_host_checked((int)t->arg[2]);
	long e;

	if ((int)t->arg[2] <= 0)
		return trap_native(t);
	if (!host)
		return -ESRCH;
	t->arg[2] = host;
	e = trap_native(t);
	return e > 0 ? ids_guest((int)e) : e;
}

/* capget(2), capset(2): the header names a thread. */
SPECIAL(capabilities_header)
{
	struct __user_cap_header_struct h;
	void *header = (void *)t->arg[0];
	int guest;
	long e;

	if (!guest_readable(header, sizeof h))
		return -EFAULT;
	__builtin_memcpy(&h, header, sizeof h);
	guest = h.pid;
	if (guest > 0 && !(h.pid = ids_host_checked(guest)))
		h.pid = 0x0fffffff; /* nobody: the kernel says so, after it has looked at the version */
	t->arg[0] = (long)&h;
	e = trap_native(t);
	h.pid = guest;
	/* A version that the kernel does not know is answered with one that it does. */
	return guest_write(header, &h, sizeof h) ? e : -EFAULT;
}
