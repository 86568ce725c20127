/* exit and exit_group: who is told, and with which status. Robust lists at the end: robust_list.c. */
#include "case.h"

#include <pthread.h>

static void *exit_alone(void *arg)
{
	raw(SYS_exit, 5);
	return NULL;
}

static void *exit_all(void *arg)
{
	raw(SYS_exit_group, 6);
	return NULL;
}

static void by_threads(void *(*thread)(void *), int status)
{
	pid_t child = BD_SYS(fork());
	pthread_t t;

	if (child == 0) {
		BD_PT(pthread_create(&t, NULL, thread, NULL));
		if (thread == exit_alone) {
			BD_PT(pthread_join(t, NULL));
			raw(SYS_exit, status);
		}
		for (;;)
			raw(SYS_pause);
	}
	BD_EQ(bd_reap(child), status << 8);
	BD_ERR(raw(SYS_kill, child, 0), ESRCH);
}

static void one_thread_and_all(void)
{
	by_threads(exit_alone, 9);
	by_threads(exit_all, 6);
}

static void a_thousand_times(void)
{
	for (int i = 0; i < 300; i++) {
		pid_t child = (pid_t)BD_DO(raw(SYS_fork));

		if (child == 0)
			raw(i & 1 ? SYS_exit : SYS_exit_group, i & 127);
		BD_EQ(bd_reap(child), (i & 127) << 8);
	}
}

const struct bd_case bd_cases[] = {
	{ "one thread, and all of them", one_thread_and_all },
	{ "the status of many", a_thousand_times },
	{},
};
