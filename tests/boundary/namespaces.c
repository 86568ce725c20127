/* PID namespaces made inside, and what the namespace's ioctls say of numbers. */
#include "case.h"

#include <sys/ioctl.h>

static void a_new_one(void)
{
	long r = raw(SYS_unshare, CLONE_NEWPID);
	pid_t child;

	if (bd_virtual() || geteuid() != 0) {
		BD_ERR(r, EPERM);
		BD_ERR(raw(SYS_clone, CLONE_NEWPID | SIGCHLD), EPERM);
		return;
	}
	BD_DO(r);
	child = (pid_t)BD_DO(raw(SYS_fork));
	if (child == 0)
		raw(SYS_exit_group, raw(SYS_getpid) != 1);
	bd_reap_ok(child);
}

static void into_ones_own(void)
{
	int fd = (int)BD_DO(raw(SYS_open, "/proc/self/ns/pid", O_RDONLY));
	long r = raw(SYS_setns, fd, CLONE_NEWPID);

	if (bd_virtual() || geteuid() != 0)
		BD_ERR(r, EPERM);
	else
		BD_DO(r);
	BD_ERR(raw(SYS_setns, 9999, 0), EBADF);
}

static void numbers_in_it(void)
{
	int fd = (int)BD_DO(raw(SYS_open, "/proc/self/ns/pid", O_RDONLY));
	long mine = raw(SYS_getpid);

	for (unsigned nr = 6; nr <= 9; nr++) { /* NS_GET_{,T}PID_{FROM,IN}_PIDNS, Linux 6.11 */
		long r = raw(SYS_ioctl, fd, _IOR(0xb7, nr, int), mine);

		if (r == -ENOTTY)
			bd_skip("no such ioctl before Linux 6.11");
		BD_EQ(r, mine);
		BD_OUTSIDE_ERR(raw(SYS_ioctl, fd, _IOR(0xb7, nr, int), outside), ESRCH);
	}
}

const struct bd_case bd_cases[] = {
	{ "a new one, or EPERM", a_new_one },
	{ "into one's own", into_ones_own },
	{ "its ioctls tell the container's numbers", numbers_in_it },
	{},
};
