/* wait4: which child, in which state. */
#include "case.h"

#include <sys/resource.h>

static void exit_with(void *status)
{
	raw(SYS_exit_group, *(int *)status);
}

static void which_child(void)
{
	int three = 3, status;
	pid_t a = bd_child(exit_with, &three), b = bd_sleeper();
	struct rusage ru;

	BD_EQ(raw(SYS_wait4, -1, &status, 0, &ru), a);
	BD_EQ(status, 3 << 8);
	BD_EQ(raw(SYS_wait4, -1, &status, WNOHANG, NULL), 0);
	BD_EQ(raw(SYS_wait4, b, &status, WNOHANG, NULL), 0);
	BD_ERR(raw(SYS_wait4, a, &status, WNOHANG, NULL), ECHILD);
	BD_DO(raw(SYS_kill, b, SIGTERM));
	BD_EQ(raw(SYS_wait4, b, &status, 0, NULL), b);
	BD_EQ(status, SIGTERM);
	BD_ERR(raw(SYS_wait4, -1, &status, 0, NULL), ECHILD);
}

static void by_group(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper(), c = bd_sleeper();
	int status;

	BD_DO(raw(SYS_setpgid, a, 0));
	BD_DO(raw(SYS_setpgid, b, a));
	BD_DO(raw(SYS_kill, -a, SIGUSR1));
	BD_DO(raw(SYS_kill, c, SIGUSR2));
	BD_EQ(raw(SYS_wait4, 0, &status, 0, NULL), c);
	BD_EQ(status, SIGUSR2);
	BD_ERR(raw(SYS_wait4, 0, &status, 0, NULL), ECHILD);
	BD_OP(raw(SYS_wait4, -a, &status, 0, NULL), >=, a);
	BD_EQ(status, SIGUSR1);
	BD_OP(raw(SYS_wait4, -a, &status, 0, NULL), >=, a);
	BD_ERR(raw(SYS_wait4, -a, &status, 0, NULL), ECHILD);
}

static void nobody_outside(void)
{
	pid_t child = bd_sleeper();

	BD_OUTSIDE_ERR(raw(SYS_wait4, outside, NULL, WNOHANG, NULL), ECHILD);
	BD_OUTSIDE_ERR(raw(SYS_wait4, -outside, NULL, WNOHANG, NULL), ECHILD);
	BD_ERR(raw(SYS_wait4, 1, NULL, WNOHANG, NULL), ECHILD);
	BD_ERR(raw(SYS_wait4, INT32_MIN, NULL, WNOHANG, NULL), ESRCH);
	BD_ERR(raw(SYS_wait4, child, NULL, 0x40, NULL), EINVAL);
	/* The options are looked at first. */
	BD_OUTSIDE_ERR(raw(SYS_wait4, outside, NULL, 0x40, NULL), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_wait4, -outside, NULL, 0x40, NULL), EINVAL);
	BD_ERR(raw(SYS_wait4, INT32_MIN, NULL, 0x40, NULL), EINVAL);
	bd_end(child);
}

static void a_bad_status_address(void)
{
	int zero = 0;
	pid_t child = bd_child(exit_with, &zero);

	BD_ERR(raw(SYS_wait4, child, 8, 0, NULL), EFAULT);
	BD_ERR(raw(SYS_wait4, child, NULL, 0, NULL), ECHILD); /* it is reaped all the same */
}

static void stopped_and_continued(void)
{
	pid_t child = bd_sleeper();
	int status;

	BD_DO(raw(SYS_setpgid, child, 0)); /* SIGTSTP does nothing in an orphaned group */
	BD_DO(raw(SYS_kill, child, SIGSTOP));
	BD_EQ(raw(SYS_wait4, child, &status, WUNTRACED, NULL), child);
	BD_CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	BD_EQ(raw(SYS_wait4, child, &status, WUNTRACED | WNOHANG, NULL), 0);
	BD_DO(raw(SYS_kill, child, SIGCONT));
	BD_EQ(raw(SYS_wait4, child, &status, WCONTINUED, NULL), child);
	BD_CHECK(WIFCONTINUED(status));
	BD_DO(raw(SYS_kill, child, SIGTSTP));
	BD_EQ(raw(SYS_wait4, child, &status, WUNTRACED, NULL), child);
	BD_EQ(WSTOPSIG(status), SIGTSTP);
	BD_DO(raw(SYS_kill, child, SIGKILL));
	BD_EQ(raw(SYS_wait4, child, &status, WUNTRACED, NULL), child);
	BD_EQ(status, SIGKILL);
}

static void on_signal(int sig)
{
}

static void signal_parent(void *ms)
{
	BD_UNTIL(bd_state((pid_t)raw(SYS_getppid)) == 'S');
	raw(SYS_kill, raw(SYS_getppid), SIGUSR1);
	raw(SYS_pause);
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pid_t child;

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	child = bd_child(signal_parent, NULL);
	BD_ERR(raw(SYS_wait4, child, NULL, 0, NULL), EINTR);
	bd_end(child);
}

static void signal_parent_and_end(void *arg)
{
	BD_UNTIL(bd_state((pid_t)raw(SYS_getppid)) == 'S');
	raw(SYS_kill, raw(SYS_getppid), SIGUSR1);
	BD_UNTIL(*(volatile int *)arg);
}

static int *handled;

static void count(int sig)
{
	(*handled)++;
}

static void restarted(void)
{
	struct sigaction sa = { .sa_handler = count, .sa_flags = SA_RESTART };
	pid_t child;

	handled = bd_shared(4096);
	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	child = bd_child(signal_parent_and_end, handled);
	BD_EQ(raw(SYS_wait4, child, NULL, 0, NULL), child);
	BD_EQ(*handled, 1);
}

static void children_ignored(void)
{
	int zero = 0;

	signal(SIGCHLD, SIG_IGN);
	bd_child(exit_with, &zero);
	BD_ERR(raw(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
}

const struct bd_case bd_cases[] = {
	{ "any child, one child, no child", which_child },
	{ "children of a group", by_group },
	{ "nobody outside is a child", nobody_outside },
	{ "a bad address reaps all the same", a_bad_status_address },
	{ "WUNTRACED and WCONTINUED", stopped_and_continued },
	{ "a handler interrupts it", interrupted },
	{ "SA_RESTART goes on waiting", restarted },
	{ "with SIGCHLD ignored there is nothing to wait for", children_ignored },
	{},
};
