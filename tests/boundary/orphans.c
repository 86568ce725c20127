/* Orphans become children of init, or of the nearest subreaper. */
#include "case.h"

#include <sys/prctl.h>

static int *seen;

/* A grandchild whose parent has gone; it tells who has adopted it. */
static void leave_an_orphan(void *arg)
{
	if (raw(SYS_fork) == 0) {
		BD_UNTIL(raw(SYS_getppid) != seen[2]);
		seen[0] = (int)raw(SYS_getppid);
		seen[1] = (int)raw(SYS_getpid);
		raw(SYS_exit, 11);
	}
}

static pid_t parent_of_an_orphan(void)
{
	seen = bd_shared(4096);
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));

	if (child == 0) {
		seen[2] = (int)raw(SYS_getpid);
		leave_an_orphan(NULL);
		raw(SYS_exit_group, 0);
	}
	bd_reap_ok(child);
	BD_UNTIL(seen[1]);
	return (pid_t)seen[0];
}

static void adopted_by_init(void)
{
	BD_EQ(parent_of_an_orphan(), 1);
	BD_ERR(raw(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
	BD_UNTIL(raw(SYS_kill, seen[1], 0) == -ESRCH); /* init has reaped it */
}

static void init_reaps_it(void)
{
	int status;

	BD_EQ(parent_of_an_orphan(), 1);
	BD_EQ(raw(SYS_wait4, -1, &status, 0, NULL), seen[1]);
	BD_EQ(status, 11 << 8);
	BD_ERR(raw(SYS_wait4, -1, NULL, 0, NULL), ECHILD);
}

static void adopted_by_a_subreaper(void)
{
	int status;

	BD_DO(raw(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1));
	BD_EQ(parent_of_an_orphan(), raw(SYS_getpid));
	BD_EQ(raw(SYS_wait4, -1, &status, 0, NULL), seen[1]);
	BD_EQ(status, 11 << 8);
}

static void proc_agrees(void)
{
	pid_t *orphan = bd_shared(4096);
	pid_t child = (pid_t)BD_DO(raw(SYS_fork));

	if (child == 0) {
		*orphan = bd_sleeper();
		raw(SYS_exit_group, 0);
	}
	bd_reap_ok(child);
	BD_UNTIL(bd_stat_field(*orphan, 4) != child);
	BD_EQ(bd_stat_field(*orphan, 4), 1);
	BD_DO(raw(SYS_kill, *orphan, SIGKILL));
}

const struct bd_case bd_cases[] = {
	{ "init adopts and reaps them", adopted_by_init },
	{ "as init: adopted, and waited for", init_reaps_it, .init = true },
	{ "the nearest subreaper adopts them", adopted_by_a_subreaper },
	{ "/proc agrees", proc_agrees },
	{},
};
