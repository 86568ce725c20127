/* ioprio_get and ioprio_set of processes and groups. */
#include "case.h"

#include <linux/ioprio.h>

#define IDLE IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)
#define BEST IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)

static void of_a_process_and_a_group(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper();
	long mine = BD_DO(raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0));

	BD_DO(raw(SYS_ioprio_set, IOPRIO_WHO_PROCESS, a, IDLE));
	BD_EQ(raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, a), IDLE);
	BD_EQ(raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0), mine);
	BD_DO(raw(SYS_setpgid, a, 0));
	BD_DO(raw(SYS_setpgid, b, a));
	BD_DO(raw(SYS_ioprio_set, IOPRIO_WHO_PGRP, a, BEST));
	BD_EQ(raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, b), BEST);
	BD_EQ(raw(SYS_ioprio_get, IOPRIO_WHO_PGRP, a), BEST);
	bd_end(a);
	bd_end(b);
}

static void of_nobody(void)
{
	BD_OUTSIDE_ERR(raw(SYS_ioprio_get, IOPRIO_WHO_PROCESS, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_ioprio_set, IOPRIO_WHO_PROCESS, outside, BEST), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_ioprio_get, IOPRIO_WHO_PGRP, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_ioprio_set, IOPRIO_WHO_PGRP, outside, BEST), ESRCH);
}

const struct bd_case bd_cases[] = {
	{ "of a process and of a group", of_a_process_and_a_group },
	{ "of nobody", of_nobody },
	{},
};
