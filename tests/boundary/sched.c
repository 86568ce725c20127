/* sched_{set,get}{param,scheduler,affinity,attr} and sched_rr_get_interval of oneself, a child, nobody. */
#include "case.h"

/* linux/sched/types.h, which cannot be included beside sched.h. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void calls_on(pid_t pid)
{
	struct sched_param p = {};
	struct attr a = { .size = sizeof(a) };
	struct timespec t;
	cpu_set_t cpus;

	BD_EQ(raw(SYS_sched_getscheduler, pid), SCHED_OTHER);
	BD_DO(raw(SYS_sched_getparam, pid, &p));
	BD_DO(raw(SYS_sched_setparam, pid, &p));
	BD_DO(raw(SYS_sched_rr_get_interval, pid, &t));
	BD_DO(raw(SYS_sched_getaffinity, pid, sizeof(cpus), &cpus));
	BD_DO(raw(SYS_sched_setaffinity, pid, sizeof(cpus), &cpus));
	BD_DO(raw(SYS_sched_getattr, pid, &a, sizeof(a), 0));
	BD_DO(raw(SYS_sched_setattr, pid, &a, 0));
	BD_DO(raw(SYS_sched_setscheduler, pid, SCHED_BATCH, &p));
	BD_EQ(raw(SYS_sched_getscheduler, pid), SCHED_BATCH);
}

static void of_oneself(void)
{
	calls_on(0);
	BD_DO(raw(SYS_sched_setscheduler, 0, SCHED_OTHER, &(struct sched_param){}));
	calls_on((pid_t)raw(SYS_getpid));
}

static void of_a_child(void)
{
	pid_t child = bd_sleeper();

	calls_on(child);
	BD_EQ(raw(SYS_sched_getscheduler, 0), SCHED_OTHER); /* it was the child's, not ours */
	bd_end(child);
	BD_ERR(raw(SYS_sched_getscheduler, child), ESRCH);
}

static void of_nobody(void)
{
	struct sched_param p = {};
	struct attr a = { .size = sizeof(a) };
	struct timespec t;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	BD_OUTSIDE_ERR(raw(SYS_sched_getscheduler, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_setscheduler, outside, SCHED_BATCH, &p), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_getparam, outside, &p), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_setparam, outside, &p), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_rr_get_interval, outside, &t), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_getaffinity, outside, sizeof(cpus), &cpus), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_setaffinity, outside, sizeof(cpus), &cpus), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_getattr, outside, &a, sizeof(a), 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_sched_setattr, outside, &a, 0), ESRCH);
	BD_ERR(raw(SYS_sched_getscheduler, -1), EINVAL);
	BD_ERR(raw(SYS_sched_getparam, -1, &p), EINVAL);
	BD_ERR(raw(SYS_sched_getaffinity, -1, sizeof(cpus), &cpus), ESRCH);
}

const struct bd_case bd_cases[] = {
	{ "of oneself", of_oneself },
	{ "of a child", of_a_child },
	{ "of nobody", of_nobody },
	{},
};
