#include "ids/task_ref.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/sys.h"

int task_ref_open(struct task_ref *ret, struct hpid host, struct vpid pid)
{
	int fd = sys_pidfd_open(host.n, 0);

	if (fd < 0)
		return fd;
	task_ref_take(ret, fd, host, pid);
	return 0;
}

void task_ref_take(struct task_ref *ret, int pidfd, struct hpid host, struct vpid pid)
{
	*ret = (struct task_ref){.pidfd = pidfd, .host = host, .pid = pid};
}

void task_ref_done(struct task_ref *ref)
{
	if (ref->pidfd >= 0)
		close(ref->pidfd);
	*ref = TASK_REF_EMPTY;
}

int task_ref_kill(const struct task_ref *ref, int sig)
{
	if (ref->pidfd < 0)
		return -ESRCH;
	return sys_pidfd_send_signal(ref->pidfd, sig);
}

int task_ref_wait_exit(const struct task_ref *ref, int timeout_ms)
{
	struct pollfd p = {.fd = ref->pidfd, .events = POLLIN};
	int n;

	if (ref->pidfd < 0)
		return 0;
	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

int task_ref_alive(const struct task_ref *ref)
{
	return task_ref_wait_exit(ref, 0) == -ETIMEDOUT;
}

int task_ref_exit_status(const struct task_ref *ref, int *ret_wait_status)
{
	struct sys_pidfd_info info = {.mask = SYS_PIDFD_INFO_EXIT};

	if (ref->pidfd < 0)
		return -ESRCH;
	if (ioctl(ref->pidfd, SYS_PIDFD_GET_INFO, &info) < 0)
		return errno == ENOTTY || errno == EINVAL ? -ENODATA : -errno;
	if (!(info.mask & SYS_PIDFD_INFO_EXIT))
		return -ENODATA;
	*ret_wait_status = info.exit_code;
	return 0;
}
