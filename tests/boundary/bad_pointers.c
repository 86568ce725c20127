/* Whatever is passed to a system call, the answer is an errno: it kills nobody by a fault. All numbers are called with
 * arguments that point nowhere; what a call does when they happen to suit it does not matter here. */
#include "case.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#define LAST_CALL 469
#define SOCKET 60 /* a descriptor with a message to be had */

static const int left_out[] = {
	SYS_rt_sigreturn, SYS_vfork, 335, 336, /* uretprobe, uprobe: not to be called like this at all */
	SYS_kill,	  SYS_tkill,	     SYS_tgkill, /* 8 is a signal as well as somebody's number */
	SYS_acct,	  SYS_vhangup,	     SYS_sync, SYS_settimeofday, SYS_adjtimex, SYS_reboot, /* the host's */
	SYS_pause,	  SYS_rt_sigsuspend, /* wait for ever */
};

static bool is_left_out(int nr)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		if (left_out[i] == nr)
			return true;
	return false;
}

struct pattern {
	int nr;
	long arg[6];
};

static void make_call(void *arg)
{
	const struct pattern *p = arg;
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };

	BD_SYS(setitimer(ITIMER_REAL, &soon, NULL));
	raw6(p->nr, p->arg[0], p->arg[1], p->arg[2], p->arg[3], p->arg[4], p->arg[5]);
	raw(SYS_exit_group, 0);
}

static void survives(int nr, long first, long rest)
{
	struct pattern p = { nr, { first, rest, rest, rest, rest, rest } };
	int status = bd_reap(bd_child(make_call, &p));

	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS ||
				    WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGILL))
		BD_FAIL("call %d (%ld, %ld, ...) was killed by signal %d", nr, first, rest, WTERMSIG(status));
}

static void all(long first, long rest)
{
	int pair[2];

	BD_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	BD_SYS(dup2(pair[0], SOCKET));
	BD_SYS(write(pair[1], "x", 1));
	for (int nr = 0; nr <= LAST_CALL; nr++)
		if (!is_left_out(nr))
			survives(nr, first, rest);
}

static void null(void)
{
	all(0, 0);
}

static void nowhere(void)
{
	all(8, 8);
}

static void last_byte(void)
{
	all(-1, -1);
}

static void socket_and_nowhere(void)
{
	all(SOCKET, 8);
}

static void socket_and_null(void)
{
	all(SOCKET, 0);
}

static void one_and_nowhere(void)
{
	all(1, 8);
}

static void kernel_half(void)
{
	all(1, (long)0xffff800000000000);
}

/* A call with several mistakes tells the one that the kernel finds first. */
static void first_mistake(void)
{
	BD_ERR(raw(SYS_rt_sigaction, SIGUSR1, 8, 0, 7), EINVAL);
	BD_ERR(raw(SYS_rt_sigaction, SIGUSR1, 8, 0, 8), EFAULT);
	BD_ERR(raw(SYS_epoll_pwait, -1, 0, 0, 0, 8, 7), EINVAL);
	BD_ERR(raw(SYS_epoll_pwait, -1, 0, 0, 0, 8, 8), EFAULT);
	BD_ERR(raw(SYS_ppoll, 0, 0, 8, 8, 7), EFAULT);
	BD_ERR(raw(SYS_pselect6, 0, 0, 0, 0, 0, 8), EFAULT);
	BD_ERR(raw(SYS_pidfd_send_signal, -1, SIGUSR1, 8, 8), EINVAL);
	BD_ERR(raw(SYS_pidfd_send_signal, -1, SIGUSR1, 8, 0), EBADF);
	BD_ERR(raw(SYS_seccomp, 1, 8, 8), EFAULT);
	BD_ERR(raw(SYS_seccomp, 1, 1 << 20, 8), EINVAL);
}

const struct bd_case bd_cases[] = {
	{ "the first mistake is told", first_mistake },
	{ "NULL", null },
	{ "pointers to nowhere", nowhere },
	{ "all bits set", last_byte },
	{ "a socket, and pointers to nowhere", socket_and_nowhere },
	{ "a socket, and NULL", socket_and_null },
	{ "1, and pointers to nowhere", one_and_nowhere },
	{ "pointers into the kernel", kernel_half },
	{},
};
