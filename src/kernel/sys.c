#include "kernel/sys.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ERRNO(x)                                                                                   \
	({                                                                                         \
		long r_ = (x);                                                                     \
		r_ < 0 ? -errno : r_;                                                              \
	})

int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)ERRNO(syscall(SYS_pidfd_open, pid, flags));
}

int sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)ERRNO(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int sys_pidfd_getfd(int pidfd, int fd)
{
	return (int)ERRNO(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

int sys_kcmp(pid_t a, pid_t b, int type, unsigned long ia, unsigned long ib)
{
	return (int)ERRNO(syscall(SYS_kcmp, a, b, type, ia, ib));
}

int sys_tgkill(pid_t tgid, pid_t tid, int sig)
{
	return (int)ERRNO(syscall(SYS_tgkill, tgid, tid, sig));
}

int sys_get_robust_list(pid_t tid, uint64_t *ret_head, uint64_t *ret_len)
{
	return (int)ERRNO(syscall(SYS_get_robust_list, tid, ret_head, ret_len));
}

/* The same by clone(2), which has the pidfd where clone3(2) has the parent's tid. What it cannot say stays ENOSYS. */
static long clone_before_3(const struct sys_clone_args *a)
{
	bool pidfd = a->flags & CLONE_PIDFD;

	if (a->set_tid_size || a->stack || a->tls || a->flags >> 32 || (a->flags & CSIGNAL) ||
	    (pidfd && (a->flags & CLONE_PARENT_SETTID)))
		return -ENOSYS;
	return ERRNO(syscall(SYS_clone, a->flags | a->exit_signal, 0, pidfd ? a->pidfd : a->parent_tid, a->child_tid, 0));
}

pid_t sys_clone3(const struct sys_clone_args *args)
{
	long r = ERRNO(syscall(SYS_clone3, args, sizeof *args));

	return (pid_t)(r == -ENOSYS ? clone_before_3(args) : r);
}

void sys_signals_default(void)
{
	/* struct sigaction as the kernel has it: handler, flags, restorer, mask; zero is SIG_DFL. */
	const unsigned long action[4] = {0};

	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, action, NULL, sizeof action[3]);
}
