/* perf_event_open of oneself, a child, nobody. */
#include "case.h"

#include <linux/perf_event.h>

static void of_a_child_and_nobody(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .exclude_kernel = 1,
				     .config = PERF_COUNT_SW_TASK_CLOCK };
	long r = raw(SYS_perf_event_open, &a, 0, -1, -1, 0);
	pid_t child;

	if (r == -EACCES || r == -EPERM || r == -ENOSYS || r == -ENOENT)
		bd_skip("performance events are denied here");
	BD_DO(r);
	child = bd_sleeper();
	BD_DO(raw(SYS_perf_event_open, &a, child, -1, -1, 0));
	BD_OUTSIDE_ERR(raw(SYS_perf_event_open, &a, outside, -1, -1, 0), ESRCH);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "of oneself, a child, nobody", of_a_child_and_nobody },
	{},
};
