/* F_SETOWN and the like: who gets the signals of a descriptor. */
#include "case.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

/* linux/sockios.h */
enum { SET_A = 0x8901, SET_B = 0x8902, GET_A = 0x8903, GET_B = 0x8904 };

static int pair[2];

static void open_pair(void)
{
	BD_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static void by_fcntl(void)
{
	pid_t child = bd_sleeper();

	open_pair();
	BD_EQ(raw(SYS_fcntl, pair[0], F_GETOWN), 0);
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN, child));
	BD_EQ(raw(SYS_fcntl, pair[0], F_GETOWN), child);
	BD_DO(raw(SYS_setpgid, child, 0));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN, -child));
	BD_EQ(raw(SYS_fcntl, pair[0], F_GETOWN), -child);
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN, 0));
	BD_EQ(raw(SYS_fcntl, pair[0], F_GETOWN), 0);
	BD_OUTSIDE_ERR(raw(SYS_fcntl, pair[0], F_SETOWN, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_fcntl, pair[0], F_SETOWN, -outside), ESRCH);
	BD_ERR(raw(SYS_fcntl, pair[0], F_SETOWN, INT32_MIN), EINVAL);
	bd_end(child);
}

static void by_fcntl_ex(void)
{
	pid_t child = bd_sleeper();
	struct f_owner_ex o = { F_OWNER_TID, (pid_t)raw(SYS_gettid) }, got;

	open_pair();
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN_EX, &o));
	BD_DO(raw(SYS_fcntl, pair[0], F_GETOWN_EX, &got));
	BD_EQ(got.type, F_OWNER_TID);
	BD_EQ(got.pid, raw(SYS_gettid));
	o = (struct f_owner_ex){ F_OWNER_PID, child };
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN_EX, &o));
	BD_EQ(o.pid, child);
	BD_DO(raw(SYS_fcntl, pair[0], F_GETOWN_EX, &got));
	BD_EQ(got.pid, child);
	BD_DO(raw(SYS_setpgid, child, 0));
	o.type = F_OWNER_PGRP;
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN_EX, &o));
	BD_DO(raw(SYS_fcntl, pair[0], F_GETOWN_EX, &got));
	BD_EQ(got.type, F_OWNER_PGRP);
	BD_EQ(got.pid, child);
	BD_OUTSIDE_ERR(({
			       o.pid = outside;
			       raw(SYS_fcntl, pair[0], F_SETOWN_EX, &o);
		       }),
		       ESRCH);
	bd_end(child);
	BD_DO(raw(SYS_fcntl, pair[0], F_GETOWN_EX, &got));
	BD_EQ(got.pid, 0);
}

static void by_ioctl(void)
{
	int who = (int)raw(SYS_getpid), got = -1, child = bd_sleeper();

	open_pair();
	BD_DO(raw(SYS_ioctl, pair[0], SET_A, &who));
	BD_DO(raw(SYS_ioctl, pair[0], GET_A, &got));
	BD_EQ(got, who);
	BD_DO(raw(SYS_ioctl, pair[0], SET_B, &child));
	BD_DO(raw(SYS_ioctl, pair[0], GET_B, &got));
	BD_EQ(got, child);
	BD_OUTSIDE_ERR(raw(SYS_ioctl, pair[0], SET_A, &outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_ioctl, pair[0], SET_B, &outside), ESRCH);
	bd_end(child);
}

static void the_signal_comes(void)
{
	siginfo_t si;
	sigset_t set;

	open_pair();
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN);
	BD_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETSIG, SIGRTMIN));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN, raw(SYS_getpid)));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	BD_EQ(raw(SYS_write, pair[1], "x", 1), 1);
	BD_EQ(raw(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGRTMIN);
	BD_EQ(si.si_code, POLL_IN);
	BD_EQ(si.si_fd, pair[0]);
	BD_CHECK(si.si_band & POLLIN);
}

static volatile int band, fd_seen;

static void on_io(int sig, siginfo_t *si, void *context)
{
	band = (int)si->si_band;
	fd_seen = si->si_fd;
}

/* si_band lies where si_pid does in other signals, and is no pid. */
static void band_and_fd_in_a_handler(void)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };

	open_pair();
	BD_SYS(sigaction(SIGRTMIN, &sa, NULL));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETSIG, SIGRTMIN));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETOWN, raw(SYS_getpid)));
	BD_DO(raw(SYS_fcntl, pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	BD_EQ(raw(SYS_write, pair[1], "x", 1), 1);
	BD_UNTIL(band);
	BD_CHECK(band & POLLIN);
	BD_EQ(fd_seen, pair[0]);
}

const struct bd_case bd_cases[] = {
	{ "F_SETOWN and F_GETOWN", by_fcntl },
	{ "F_SETOWN_EX and F_GETOWN_EX", by_fcntl_ex },
	{ "FIOSETOWN, SIOCSPGRP and their answers", by_ioctl },
	{ "the owner gets the signal", the_signal_comes },
	{ "band and descriptor of the signal in a handler", band_and_fd_in_a_handler },
	{},
};
