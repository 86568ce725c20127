/* getpriority and setpriority of processes and groups. The raw answer is 20 - nice. */
#include "case.h"

#include <sys/resource.h>

static void of_a_process(void)
{
	pid_t child = bd_sleeper();

	BD_DO(raw(SYS_setpriority, PRIO_PROCESS, child, 5));
	BD_EQ(raw(SYS_getpriority, PRIO_PROCESS, child), 15);
	BD_EQ(raw(SYS_getpriority, PRIO_PROCESS, 0), 20);
	BD_EQ(raw(SYS_getpriority, PRIO_PROCESS, raw(SYS_getpid)), 20);
	bd_end(child);
	BD_ERR(raw(SYS_getpriority, PRIO_PROCESS, child), ESRCH);
}

static void of_a_group(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper();

	BD_DO(raw(SYS_setpgid, a, 0));
	BD_DO(raw(SYS_setpgid, b, a));
	BD_DO(raw(SYS_setpriority, PRIO_PGRP, a, 7));
	BD_EQ(raw(SYS_getpriority, PRIO_PROCESS, b), 13);
	BD_EQ(raw(SYS_getpriority, PRIO_PGRP, a), 13);
	BD_EQ(raw(SYS_getpriority, PRIO_PGRP, 0), 20);
	BD_ERR(raw(SYS_getpriority, PRIO_PGRP, b), ESRCH);
	bd_end(a);
	bd_end(b);
}

static void of_nobody(void)
{
	BD_OUTSIDE_ERR(raw(SYS_getpriority, PRIO_PROCESS, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_setpriority, PRIO_PROCESS, outside, 19), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_getpriority, PRIO_PGRP, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_setpriority, PRIO_PGRP, outside, 19), ESRCH);
	BD_ERR(raw(SYS_getpriority, 3, 0), EINVAL);
}

const struct bd_case bd_cases[] = {
	{ "of a process", of_a_process },
	{ "of a group", of_a_group },
	{ "of nobody", of_nobody },
	{},
};
