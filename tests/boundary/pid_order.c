/* In which order numbers are handed out: upwards, from 300 after the end, none that is in use. */
#include "case.h"

enum { MAX = 400 };

static pid_t quick(void)
{
	pid_t pid = (pid_t)BD_DO(raw(SYS_fork));

	if (pid == 0)
		raw(SYS_exit, 0);
	bd_reap_ok(pid);
	return pid;
}

static void upwards_and_round(void)
{
	pid_t last = 1, sleeper = 0;
	int wraps = 0;

	for (int i = 0; i < 3 * MAX; i++) {
		pid_t p = quick();

		BD_OP(p, <, MAX);
		if (p < last) {
			BD_EQ(last, MAX - 1);
			BD_EQ(p, 300);
			wraps++;
		} else if (last + 1 == sleeper) {
			BD_EQ(p, last + 2);
		} else {
			BD_EQ(p, last + 1);
		}
		last = p;
		if (wraps == 1 && !sleeper && p == 350) {
			sleeper = bd_sleeper();
			BD_EQ(sleeper, 351);
			last = sleeper;
		}
	}
	BD_OP(wraps, >=, 5);
	bd_end(sleeper);
}

static void lead_and_leave(void *left)
{
	BD_DO(raw(SYS_setsid));
	*(int *)left = bd_sleeper();
	BD_DO(raw(SYS_setpgid, *(int *)left, 0));
}

/* A number that only a session still bears; and one that only a group does. */
static void sessions_and_groups_keep_theirs(void)
{
	int *left = bd_shared(4096);
	pid_t session = bd_child(lead_and_leave, left), group, member;

	bd_reap_ok(session);
	while (quick() < 310)
		;
	group = bd_sleeper();
	member = bd_sleeper();
	BD_DO(raw(SYS_setpgid, group, 0));
	BD_DO(raw(SYS_setpgid, member, group));
	bd_end(group);
	for (int i = 0; i < 3 * MAX; i++) {
		pid_t p = quick();

		BD_CHECK(p != session && p != group);
	}
	BD_EQ(raw(SYS_getsid, *left), session);
	BD_EQ(raw(SYS_getpgid, member), group);
	bd_end(member);
	BD_DO(raw(SYS_kill, *left, SIGKILL));
	BD_EQ(raw(SYS_wait4, -1, NULL, 0, NULL), *left);
}

static void at_the_limit(void)
{
	int n = 0;
	long r;

	while ((r = raw(SYS_fork)) >= 0) {
		if (r == 0)
			for (;;)
				raw(SYS_pause);
		BD_OP(++n, <, MAX);
	}
	BD_EQ(r, -EAGAIN);
	BD_OP(n, >=, MAX - 310);
	BD_EQ(raw(SYS_fork), -EAGAIN);
	BD_DO(raw(SYS_kill, -1, SIGKILL));
	while (raw(SYS_wait4, -1, NULL, 0, NULL) > 0)
		n--;
	BD_EQ(n, 0);
	quick();
}

static void proc_tells_the_limit(void)
{
	char text[64];

	BD_OP(bd_slurp("/proc/sys/kernel/pid_max", text, sizeof(text)), >, 0);
	BD_EQ(atoi(text), MAX);
}

const struct bd_case bd_cases[] = {
	{ "upwards, and from 300 after the end", upwards_and_round, .init = true, .pid_max = MAX },
	{ "never one that a session or a group still bears", sessions_and_groups_keep_theirs, .init = true,
	  .pid_max = MAX },
	{ "EAGAIN at the limit", at_the_limit, .init = true, .pid_max = MAX },
	{ "/proc/sys/kernel/pid_max tells it", proc_tells_the_limit, .init = true, .pid_max = MAX },
	{},
};
