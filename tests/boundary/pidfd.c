/* pidfd_open, pidfd_send_signal, pidfd_getfd, PIDFD_GET_INFO, and what fdinfo tells of one. */
#include "case.h"

#include <sys/ioctl.h>

/* linux/pidfd.h since 6.13; the first version of the struct. */
struct pidfd_info_v0 {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, spare;
};
#define GET_INFO _IOWR(0xFF, 11, struct pidfd_info_v0)

static const char *fdinfo(int fd, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return bd_line(path, key) ?: "none";
}

static void opened_by_number(void)
{
	pid_t child = bd_sleeper();
	int fd = (int)BD_DO(raw(SYS_pidfd_open, child, 0));
	struct pollfd p = { fd, POLLIN, 0 };

	BD_EQ(atoi(fdinfo(fd, "Pid:")), child);
	BD_EQ(atoi(fdinfo(fd, "NSpid:")), child);
	BD_CHECK(!strpbrk(fdinfo(fd, "NSpid:"), "\t "));
	BD_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	BD_EQ(poll(&p, 1, 0), 0);
	BD_DO(raw(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	BD_EQ(poll(&p, 1, -1), 1);
	BD_EQ(bd_reap(child), SIGUSR1);
	BD_EQ(atoi(fdinfo(fd, "Pid:")), -1);
	BD_ERR(raw(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
	close(fd);
}

static void numbers_of_nobody(void)
{
	BD_ERR(raw(SYS_pidfd_open, 0, 0), EINVAL);
	BD_ERR(raw(SYS_pidfd_open, -1, 0), EINVAL);
	BD_ERR(raw(SYS_pidfd_open, raw(SYS_getpid), 1), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_pidfd_open, outside, 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_pidfd_open, outside, O_NONBLOCK), ESRCH);
}

static void info_tells_our_numbers(void)
{
	pid_t child = bd_sleeper();
	int fd = (int)BD_DO(raw(SYS_pidfd_open, child, 0));
	struct pidfd_info_v0 info = { .mask = 1 };
	long r = raw(SYS_ioctl, fd, GET_INFO, &info);

	if (r == -ENOTTY || r == -EINVAL)
		bd_skip("no PIDFD_GET_INFO before Linux 6.13");
	BD_DO(r);
	BD_EQ(info.pid, child);
	BD_EQ(info.tgid, child);
	BD_EQ(info.ppid, raw(SYS_getpid));
	bd_end(child);
	close(fd);
	fd = (int)BD_DO(raw(SYS_pidfd_open, 1, 0));
	BD_DO(raw(SYS_ioctl, fd, GET_INFO, &info));
	BD_EQ(info.pid, 1);
	BD_EQ(info.ppid, 0);
}

static void siginfo_of_the_sender(void)
{
	int fd = (int)BD_DO(raw(SYS_pidfd_open, raw(SYS_getpid), 0));
	siginfo_t si = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE }, got;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	si.si_pid = 4711;
	BD_DO(raw(SYS_pidfd_send_signal, fd, SIGRTMIN, &si, 0));
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &got, NULL, 8), SIGRTMIN);
	BD_EQ(got.si_pid, 4711);
	BD_DO(raw(SYS_pidfd_send_signal, fd, SIGRTMIN, NULL, 0));
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &got, NULL, 8), SIGRTMIN);
	BD_EQ(got.si_pid, raw(SYS_getpid));
	si.si_signo = SIGUSR1;
	BD_ERR(raw(SYS_pidfd_send_signal, fd, SIGRTMIN, &si, 0), EINVAL);
	BD_ERR(raw(SYS_pidfd_send_signal, fd, SIGRTMIN, NULL, 99), EINVAL);
	BD_ERR(raw(SYS_pidfd_send_signal, 0, SIGRTMIN, NULL, 0), EBADF);
}

static void descriptor_of_a_child(void)
{
	int p[2], pidfd;
	pid_t child;
	char c = 0;
	long fd;

	BD_SYS(pipe(p));
	child = bd_sleeper();
	pidfd = (int)BD_DO(raw(SYS_pidfd_open, child, 0));
	fd = raw(SYS_pidfd_getfd, pidfd, p[1], 0);
	if (fd == -EPERM)
		bd_skip("pidfd_getfd is denied here");
	BD_DO(fd);
	BD_EQ(write((int)fd, "x", 1), 1);
	BD_EQ(read(p[0], &c, 1), 1);
	BD_EQ(c, 'x');
	BD_ERR(raw(SYS_pidfd_getfd, pidfd, 9999, 0), EBADF);
	bd_end(child);
	BD_ERR(raw(SYS_pidfd_getfd, pidfd, p[1], 0), ESRCH);
}

/* A pidfd of a process outside that somebody handed in refers to nobody in here. */
static void handed_in_from_outside(void)
{
	struct pidfd_info_v0 info = { .mask = 1 };
	int fd = bd_ask("pidfd");
	siginfo_t si;
	long r;

	BD_OP(fd, >, 0);
	BD_EQ(atoi(fdinfo(fd, "Pid:")), 0);
	BD_EQ(atoi(fdinfo(fd, "NSpid:")), 0);
	BD_ERR(raw(SYS_pidfd_send_signal, fd, 0, NULL, 0), EINVAL);
	BD_ERR(raw(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), EINVAL);
	BD_ERR(raw(SYS_waitid, P_PIDFD, fd, &si, WEXITED | WNOHANG, NULL), ECHILD);
	r = raw(SYS_ioctl, fd, GET_INFO, &info);
	if (r != -ENOTTY && r != -EINVAL && r != -ESRCH) /* ESRCH before Linux 6.16 */
		BD_ERR(r, EREMOTE);
}

static void self_by_constants(void)
{
	enum { SELF_THREAD = -10000, SELF_PROCESS = -10001 }; /* PIDFD_SELF_*, Linux 6.14 */
	long r = raw(SYS_pidfd_send_signal, SELF_PROCESS, 0, NULL, 0);

	if (r == -EBADF)
		bd_skip("no PIDFD_SELF before Linux 6.14");
	BD_DO(r);
	BD_DO(raw(SYS_pidfd_send_signal, SELF_THREAD, 0, NULL, 0));
}

const struct bd_case bd_cases[] = {
	{ "opened by number, signalled, polled", opened_by_number },
	{ "numbers of nobody", numbers_of_nobody },
	{ "PIDFD_GET_INFO tells the container's numbers", info_tells_our_numbers },
	{ "siginfo of the sender", siginfo_of_the_sender },
	{ "a descriptor of a child's", descriptor_of_a_child },
	{ "one that was handed in from outside", handed_in_from_outside },
	{ "PIDFD_SELF", self_by_constants },
	{},
};
