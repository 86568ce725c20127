/* waitid: whom siginfo names. */
#include "case.h"

static void exit_with(void *status)
{
	raw(SYS_exit_group, *(int *)status);
}

static void siginfo_of_an_exit(void)
{
	int four = 4;
	pid_t child = bd_child(exit_with, &four);
	siginfo_t si;

	memset(&si, 0xff, sizeof(si));
	BD_DO(raw(SYS_waitid, P_PID, child, &si, WEXITED | WNOWAIT, NULL));
	BD_EQ(si.si_pid, child);
	BD_EQ(si.si_signo, SIGCHLD);
	BD_EQ(si.si_code, CLD_EXITED);
	BD_EQ(si.si_status, 4);
	BD_EQ(si.si_uid, getuid());
	memset(&si, 0xff, sizeof(si));
	BD_DO(raw(SYS_waitid, P_ALL, 12345, &si, WEXITED, NULL));
	BD_EQ(si.si_pid, child);
	BD_ERR(raw(SYS_waitid, P_ALL, 0, &si, WEXITED, NULL), ECHILD);
}

static void nothing_yet(void)
{
	pid_t child = bd_sleeper();
	siginfo_t si;

	memset(&si, 0xff, sizeof(si));
	BD_DO(raw(SYS_waitid, P_PID, child, &si, WEXITED | WNOHANG, NULL));
	BD_EQ(si.si_pid, 0);
	BD_EQ(si.si_signo, 0);
	bd_end(child);
}

static void by_group_and_pidfd(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper();
	siginfo_t si;
	int fd;

	BD_DO(raw(SYS_setpgid, a, 0));
	BD_DO(raw(SYS_kill, a, SIGKILL));
	BD_DO(raw(SYS_waitid, P_PGID, a, &si, WEXITED, NULL));
	BD_EQ(si.si_pid, a);
	BD_EQ(si.si_code, CLD_KILLED);
	fd = (int)BD_DO(raw(SYS_pidfd_open, b, 0));
	BD_DO(raw(SYS_kill, b, SIGKILL));
	BD_DO(raw(SYS_waitid, P_PIDFD, fd, &si, WEXITED, NULL));
	BD_EQ(si.si_pid, b);
	BD_ERR(raw(SYS_waitid, P_PIDFD, fd, &si, WEXITED, NULL), ECHILD);
	BD_ERR(raw(SYS_waitid, P_PIDFD, 999, &si, WEXITED, NULL), EBADF);
}

static void own_group_by_zero(void)
{
	pid_t a = bd_sleeper();
	siginfo_t si;

	BD_DO(raw(SYS_kill, a, SIGKILL));
	BD_DO(raw(SYS_waitid, P_PGID, 0, &si, WEXITED, NULL));
	BD_EQ(si.si_pid, a);
}

static void stops(void)
{
	pid_t child = bd_sleeper();
	siginfo_t si;

	BD_DO(raw(SYS_kill, child, SIGSTOP));
	BD_DO(raw(SYS_waitid, P_PID, child, &si, WSTOPPED, NULL));
	BD_EQ(si.si_pid, child);
	BD_EQ(si.si_code, CLD_STOPPED);
	BD_EQ(si.si_status, SIGSTOP);
	BD_DO(raw(SYS_kill, child, SIGCONT));
	BD_DO(raw(SYS_waitid, P_PID, child, &si, WCONTINUED, NULL));
	BD_EQ(si.si_pid, child);
	BD_EQ(si.si_code, CLD_CONTINUED);
	bd_end(child);
}

static void bad_arguments(void)
{
	siginfo_t si;

	BD_ERR(raw(SYS_waitid, P_PID, 0, &si, WEXITED, NULL), EINVAL);
	BD_ERR(raw(SYS_waitid, P_PID, -1, &si, WEXITED, NULL), EINVAL);
	BD_ERR(raw(SYS_waitid, 77, 1, &si, WEXITED, NULL), EINVAL);
	BD_ERR(raw(SYS_waitid, P_ALL, 0, &si, WNOHANG, NULL), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_waitid, P_PID, outside, &si, WEXITED | WNOHANG, NULL), ECHILD);
	BD_OUTSIDE_ERR(raw(SYS_waitid, P_PGID, outside, &si, WEXITED | WNOHANG, NULL), ECHILD);
	BD_OUTSIDE_ERR(raw(SYS_waitid, P_PID, outside, &si, WNOHANG, NULL), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_waitid, P_PGID, outside, &si, WEXITED | 0x40, NULL), EINVAL);
	/* Which is cleared although there is nobody. */
	memset(&si, 0xff, sizeof(si));
	BD_OUTSIDE_ERR(raw(SYS_waitid, P_PID, outside, &si, WEXITED, NULL), ECHILD);
	BD_EQ(si.si_signo, 0);
	BD_EQ(si.si_pid, 0);
}

const struct bd_case bd_cases[] = {
	{ "siginfo of an exit, left to be waited for again", siginfo_of_an_exit },
	{ "WNOHANG with nothing to tell", nothing_yet },
	{ "of a group, of a pidfd", by_group_and_pidfd },
	{ "of the own group, by 0", own_group_by_zero },
	{ "stopped and continued", stops },
	{ "bad arguments and numbers of nobody", bad_arguments },
	{},
};
