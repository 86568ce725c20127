/* prlimit64 of oneself, a child, nobody. */
#include "case.h"

#include <sys/resource.h>

static void of_a_child(void)
{
	struct rlimit mine, his = { 11, 11 }, got;
	pid_t child = bd_sleeper();

	BD_DO(raw(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &mine));
	BD_DO(raw(SYS_prlimit64, child, RLIMIT_NOFILE, &his, NULL));
	BD_DO(raw(SYS_prlimit64, child, RLIMIT_NOFILE, NULL, &got));
	BD_EQ(got.rlim_max, 11);
	BD_DO(raw(SYS_prlimit64, raw(SYS_getpid), RLIMIT_NOFILE, NULL, &got));
	BD_EQ(got.rlim_max, mine.rlim_max);
	bd_end(child);
	BD_ERR(raw(SYS_prlimit64, child, RLIMIT_NOFILE, NULL, &got), ESRCH);
}

static void of_nobody(void)
{
	struct rlimit r = { 11, 11 };

	BD_OUTSIDE_ERR(raw(SYS_prlimit64, outside, RLIMIT_NOFILE, NULL, &r), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_prlimit64, outside, RLIMIT_NOFILE, &r, NULL), ESRCH);
	BD_ERR(raw(SYS_prlimit64, 0, 99, NULL, &r), EINVAL);
}

const struct bd_case bd_cases[] = {
	{ "of a child", of_a_child },
	{ "of nobody", of_nobody },
	{},
};
