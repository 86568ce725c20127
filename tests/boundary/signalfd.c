/* signalfd: ssi_pid in each record. */
#include "case.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/uio.h>

static int make(int a, int b, int flags)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	sigaddset(&set, b);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	return (int)BD_DO(raw(SYS_signalfd4, -1, &set, 8, flags));
}

static void kill_parent(void *arg)
{
	BD_DO(raw(SYS_kill, raw(SYS_getppid), SIGUSR1));
}

static void records_tell_the_sender(void)
{
	int fd = make(SIGUSR1, SIGCHLD, SFD_CLOEXEC);
	struct signalfd_siginfo s[4];
	pid_t child = bd_child(kill_parent, NULL);
	int seen = 0;

	bd_reap_ok(child);
	while (seen != 3) {
		long n = BD_DO(raw(SYS_read, fd, s, sizeof(s)));

		BD_EQ(n % sizeof(s[0]), 0);
		for (size_t i = 0; i < n / sizeof(s[0]); i++) {
			BD_EQ(s[i].ssi_pid, child);
			BD_EQ(s[i].ssi_uid, getuid());
			seen |= s[i].ssi_signo == SIGUSR1 ? 1 : 2;
		}
	}
}

static void many_records_in_pieces(void)
{
	int fd = make(SIGRTMIN, SIGRTMIN + 1, SFD_NONBLOCK);
	struct signalfd_siginfo s[3];
	struct iovec iov[2] = { { &s[0], sizeof(s[0]) }, { &s[1], 2 * sizeof(s[0]) } };

	for (int i = 0; i < 6; i++)
		BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGRTMIN));
	BD_EQ(raw(SYS_readv, fd, iov, 2), sizeof(s));
	for (int i = 0; i < 3; i++)
		BD_EQ(s[i].ssi_pid, raw(SYS_getpid));
	memset(s, 0, sizeof(s));
	BD_EQ(raw(SYS_preadv2, fd, iov, 2, -1, 0, 0), sizeof(s));
	for (int i = 0; i < 3; i++)
		BD_EQ(s[i].ssi_pid, raw(SYS_getpid));
	BD_ERR(raw(SYS_read, fd, s, sizeof(s)), EAGAIN);
	BD_ERR(raw(SYS_read, fd, s, 5), EINVAL);
}

static void read_by_others(void *fd)
{
	struct signalfd_siginfo s;

	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR1));
	BD_EQ(raw(SYS_read, *(int *)fd, &s, sizeof(s)), sizeof(s));
	BD_EQ(s.ssi_pid, raw(SYS_getpid));
}

static void inherited_and_duplicated(void)
{
	int fd = make(SIGUSR1, SIGUSR2, 0), copy = (int)BD_DO(raw(SYS_dup, fd));

	bd_reap_ok(bd_child(read_by_others, &copy));
	read_by_others(&fd);
}

static void ready_in_epoll(void)
{
	int fd = make(SIGUSR1, SIGUSR2, 0), ep = BD_SYS(epoll_create1(0));
	struct epoll_event e = { .events = EPOLLIN }, got;
	struct signalfd_siginfo s;

	BD_SYS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	BD_EQ(epoll_wait(ep, &got, 1, 0), 0);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR2));
	BD_EQ(epoll_wait(ep, &got, 1, -1), 1);
	BD_EQ(raw(SYS_read, fd, &s, sizeof(s)), sizeof(s));
	BD_EQ(s.ssi_signo, SIGUSR2);
	BD_EQ(s.ssi_pid, raw(SYS_getpid));
}

/* The call without flags, and another set for a descriptor that is there. */
static void by_the_old_call(void)
{
	uint64_t set = 1ULL << (SIGUSR1 - 1), both = set | 1ULL << (SIGUSR2 - 1);
	struct signalfd_siginfo s;
	int fd;

	BD_DO(raw(SYS_rt_sigprocmask, SIG_BLOCK, &both, NULL, 8));
	fd = (int)BD_DO(raw(SYS_signalfd, -1, &set, 8));
	BD_EQ(raw(SYS_signalfd, fd, &both, 8), fd);
	BD_DO(raw(SYS_kill, raw(SYS_getpid), SIGUSR2));
	BD_EQ(raw(SYS_read, fd, &s, sizeof(s)), sizeof(s));
	BD_EQ(s.ssi_pid, raw(SYS_getpid));
}

static void outside_is_process_0(void)
{
	int fd = make(SIGUSR1, SIGUSR2, 0);
	struct signalfd_siginfo s;

	bd_ask("signal %ld USR1", raw(SYS_getpid));
	BD_EQ(raw(SYS_read, fd, &s, sizeof(s)), sizeof(s));
	BD_EQ(s.ssi_pid, 0);
}

const struct bd_case bd_cases[] = {
	{ "records tell the sender", records_tell_the_sender },
	{ "many records, by readv", many_records_in_pieces },
	{ "inherited and duplicated", inherited_and_duplicated },
	{ "ready in an epoll set", ready_in_epoll },
	{ "by the old call, and with another set", by_the_old_call },
	{ "a sender outside is process 0", outside_is_process_0 },
	{},
};
