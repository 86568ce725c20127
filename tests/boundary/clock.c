/* Clock ids in which a pid or tid is encoded (kernel/time/posix-cpu-timers.c). */
#include "case.h"

enum { SCHED_CLOCK = 2, PER_THREAD = 4 };

static long of(pid_t pid, int flags)
{
	return (long)(int)(~(unsigned)pid << 3 | (unsigned)flags);
}

static void of_processes_and_threads(void)
{
	struct timespec t, mine;
	pid_t child = bd_sleeper();

	BD_DO(raw(SYS_clock_gettime, of(child, SCHED_CLOCK), &t));
	BD_DO(raw(SYS_clock_getres, of(child, SCHED_CLOCK), &t));
	for (volatile int i = 0; i < 30000000; i++)
		;
	BD_DO(raw(SYS_clock_gettime, of((pid_t)raw(SYS_getpid), SCHED_CLOCK), &mine));
	BD_DO(raw(SYS_clock_gettime, of(child, SCHED_CLOCK), &t));
	BD_OP(mine.tv_sec * 1000000000LL + mine.tv_nsec, >, t.tv_sec * 1000000000LL + t.tv_nsec);
	BD_DO(raw(SYS_clock_gettime, of((pid_t)raw(SYS_gettid), SCHED_CLOCK | PER_THREAD), &t));
	BD_DO(raw(SYS_clock_gettime, of(0, SCHED_CLOCK), &t));
	BD_ERR(raw(SYS_clock_gettime, of(child, SCHED_CLOCK | PER_THREAD), &t), EINVAL);
	bd_end(child);
	BD_ERR(raw(SYS_clock_gettime, of(child, SCHED_CLOCK), &t), EINVAL);
}

static void of_nobody(void)
{
	struct timespec t = { 0, 1 };

	BD_OUTSIDE_ERR(raw(SYS_clock_gettime, of(outside, SCHED_CLOCK), &t), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_clock_getres, of(outside, SCHED_CLOCK), &t), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_clock_nanosleep, of(outside, SCHED_CLOCK), 0, &t, NULL), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_clock_gettime, of(outside, SCHED_CLOCK | PER_THREAD), &t), EINVAL);
	BD_OUTSIDE_ERR(raw(SYS_clock_settime, of(outside, SCHED_CLOCK), &t), EINVAL);
}

/* No clock of a process can be set: of one that is there it is EPERM (posix_cpu_clock_set()). */
static void cannot_be_set(void)
{
	struct timespec t = { 0, 1 };
	char timex[256] = {};
	pid_t child = bd_sleeper();

	BD_ERR(raw(SYS_clock_settime, of(child, SCHED_CLOCK), &t), EPERM);
	BD_ERR(raw(SYS_clock_adjtime, of(child, SCHED_CLOCK), timex), EOPNOTSUPP);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "of processes and threads", of_processes_and_threads },
	{ "of nobody", of_nobody },
	{ "cannot be set", cannot_be_set },
	{},
};
