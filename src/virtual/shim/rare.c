/* Calls so rare that a row of the catalogue is all they need: what they could be used for is refused, the rest passes. */
#include "virtual/shim/trap.h"

#include <linux/sched.h>

#define NS_GET_NSTYPE_ 0xb703

static bool is_word(const char *p, const char *word)
{
	unsigned long n = __builtin_strlen(word) + 1;

	if (!p || !guest_readable(p, n))
		return false;
	for (unsigned long i = 0; i < n; i++)
		if (p[i] != word[i])
			return false;
	return true;
}

#define BPF_ATTR_MAX 256
#define NOBODY 0x0fffffff

/* BPF_TASK_FD_QUERY: the pid is the first field of the attributes, which come back with what was asked (bpf(2)). */
static long task_fd_query(struct trap *t)
{
	char attr[BPF_ATTR_MAX];
	void *theirs = (void *)t->arg[1];
	unsigned long size = (unsigned long)t->arg[2];
	int guest;
	long r;

	if (size < sizeof guest || size > sizeof attr)
		return trap_native(t);
	if (!guest_readable(theirs, size))
		return -EFAULT;
	__builtin_memcpy(attr, theirs, size);
	guest = *(int *)attr;
	*(int *)attr = ids_host_checked(guest);
	if (!*(int *)attr)
		*(int *)attr = NOBODY;
	r = CALL3(t->nr, t->arg[0], attr, size);
	*(int *)attr = guest;
	return guest_write(theirs, attr, size) ? r : -EFAULT;
}

long rare_call(struct trap *t)
{
	switch (t->nr) {
	case __NR_setns: /* of whatever type */
		return CALL2(__NR_ioctl, t->arg[0], NS_GET_NSTYPE_) == CLONE_NEWPID ? -EPERM : trap_native(t);
	case __NR_reboot:
		return -EPERM;
	case __NR_bpf:
		return task_fd_query(t);
	case __NR_mount: /* the host's processes would show */
		return is_word((const char *)t->arg[2], "proc") ? -EPERM : trap_native(t);
	case __NR_fsopen:
		return is_word((const char *)t->arg[0], "proc") ? -EPERM : trap_native(t);
	default:
		return trap_native(t);
	}
}
