/* prctl: what names a process, and what would tell of a filter or a subreaper above. */
#include "case.h"

#include <sys/prctl.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#endif

static void ptracer(void)
{
	pid_t child = bd_sleeper();
	long r = raw(SYS_prctl, PR_SET_PTRACER, child);

	if (r == -EINVAL) { /* no Yama: then nobody's number is worth a look */
		BD_OUTSIDE_ERR(raw(SYS_prctl, PR_SET_PTRACER, outside), EINVAL);
		bd_end(child);
		return;
	}
	BD_DO(r);
	BD_DO(raw(SYS_prctl, PR_SET_PTRACER, 0));
	BD_DO(raw(SYS_prctl, PR_SET_PTRACER, -1));
	BD_OUTSIDE_ERR(raw(SYS_prctl, PR_SET_PTRACER, outside), EINVAL);
	bd_end(child);
}

static void core_scheduling(void)
{
	unsigned long cookie = 5;
	long r = raw(SYS_prctl, PR_SCHED_CORE, 0, 0, 0, &cookie);
	pid_t child;

	child = bd_sleeper();
	if (r == -EINVAL || r == -ENODEV) { /* no core scheduling, for whomever */
		BD_EQ(raw(SYS_prctl, PR_SCHED_CORE, 0, child, 0, &cookie), r);
		bd_end(child);
		return;
	}
	BD_DO(r);
	BD_DO(raw(SYS_prctl, PR_SCHED_CORE, 0, child, 0, &cookie));
	BD_OUTSIDE_ERR(raw(SYS_prctl, PR_SCHED_CORE, 0, outside, 0, &cookie), ESRCH);
	bd_end(child);
}

static void nothing_shows(void)
{
	int subreaper = -1;

	BD_EQ(raw(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	BD_EQ(raw(SYS_prctl, PR_GET_SECCOMP), 0);
	BD_DO(raw(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper));
	BD_EQ(subreaper, 0);
	BD_EQ(raw(SYS_prctl, PR_GET_DUMPABLE), 1);
	BD_EQ(atoi(bd_line("/proc/self/status", "TracerPid:") ?: "-1"), 0);
	BD_EQ(atoi(bd_line("/proc/self/status", "NoNewPrivs:") ?: "-1"), 0);
	if (getenv("BD_BOXED"))
		return; /* there is a filter around the container */
	BD_EQ(atoi(bd_line("/proc/self/status", "Seccomp:") ?: "-1"), 0);
	BD_EQ(atoi(bd_line("/proc/self/status", "Seccomp_filters:") ?: "0"), 0);
}

static void own_flags_are_kept(void *arg)
{
	int subreaper = 0;

	BD_DO(raw(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1));
	BD_DO(raw(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper));
	BD_EQ(subreaper, 1);
	BD_DO(raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	BD_EQ(raw(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	BD_EQ(atoi(bd_line("/proc/self/status", "NoNewPrivs:") ?: "-1"), 1);
	BD_ERR(raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	BD_DO(raw(SYS_prctl, PR_SET_DUMPABLE, 0));
	BD_EQ(raw(SYS_prctl, PR_GET_DUMPABLE), 0);
	BD_DO(raw(SYS_prctl, PR_SET_DUMPABLE, 1));
}

static void flags_of_ones_own(void)
{
	own_flags_are_kept(NULL);
	BD_CHECK(raw(SYS_getppid) == 1);
}

/* no_new_privs is inherited; being a subreaper is not. */
static void flags_of_children(void)
{
	pid_t child;

	own_flags_are_kept(NULL);
	child = (pid_t)BD_DO(raw(SYS_fork));
	if (child == 0) {
		int subreaper = -1;

		BD_DO(raw(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper));
		BD_EQ(subreaper, 0);
		BD_EQ(raw(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
		raw(SYS_exit_group, 0);
	}
	bd_reap_ok(child);
}

const struct bd_case bd_cases[] = {
	{ "PR_SET_PTRACER", ptracer },
	{ "PR_SCHED_CORE", core_scheduling },
	{ "nothing shows of a tracer, a filter or a subreaper", nothing_shows },
	{ "flags a program sets itself", flags_of_ones_own },
	{ "flags of its children", flags_of_children },
	{},
};
