/* When init dies, everything in its container does. The runner sees to it that nobody holds on. */
#include "case.h"

#include <pthread.h>

static void end(void)
{
	raw(SYS_exit_group, 7);
}

static void orphans_sessions_stopped_and_deaf(void)
{
	pid_t child = bd_sleeper();

	for (int i = 0; i < 20; i++)
		if (raw(SYS_fork) == 0) {
			for (int sig = 1; sig < 65; sig++)
				signal(sig, SIG_IGN);
			raw(SYS_setsid);
			if (i % 2 && raw(SYS_fork) != 0)
				raw(SYS_exit, 0); /* double fork */
			for (;;)
				raw(SYS_pause);
		}
	BD_DO(raw(SYS_kill, child, SIGSTOP));
	BD_UNTIL(bd_state(child) == 'T');
	end();
}

static void vforked_and_untraced(void)
{
	if (raw(SYS_fork) == 0) {
		if (raw(SYS_vfork) == 0)
			for (;;)
				raw(SYS_pause);
		raw(SYS_exit, 0);
	}
	if (raw(SYS_clone, CLONE_UNTRACED | SIGCHLD) == 0)
		for (;;)
			raw(SYS_pause);
	if (raw(SYS_clone, CLONE_PARENT | SIGCHLD) == 0) /* init has no siblings: EINVAL */
		for (;;)
			raw(SYS_pause);
	end();
}

static void *exec_elsewhere(void *arg)
{
	char *argv[] = { "sleep", "1000", NULL }, *env[] = { NULL };

	raw(SYS_execve, "/bin/sleep", argv, env);
	return NULL;
}

static void a_thread_that_execs(void)
{
	for (int i = 0; i < 5; i++)
		if (raw(SYS_fork) == 0) {
			pthread_t t;

			pthread_create(&t, NULL, exec_elsewhere, NULL);
			for (;;)
				raw(SYS_pause);
		}
	end();
}

/* Forks as fast as it can while init dies. */
static void born_at_that_moment(void)
{
	int *running = bd_shared(4096);

	for (int i = 0; i < 4; i++)
		if (raw(SYS_fork) == 0)
			for (;;) {
				if (raw(SYS_fork) == 0) {
					if (raw(SYS_fork) == 0)
						raw(SYS_exit, 0);
					raw(SYS_exit, 0);
				}
				running[i] = 1;
				raw(SYS_wait4, -1, NULL, WNOHANG, NULL);
			}
	BD_UNTIL(((volatile int *)running)[0] && ((volatile int *)running)[3]);
	end();
}

/* A fault is no signal from somebody: it acts. */
static void by_its_own_fault(void)
{
	bd_sleeper();
	*(volatile char *)BD_SYS(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) = 1;
}

static void init_execs(void)
{
	char *argv[] = { "sh", "-c", "[ $$ = 1 ] && [ $PPID = 0 ] && { sleep 1000 & exit 7; }; exit 1", NULL };
	char *env[] = { "PATH=/usr/bin:/bin", NULL };

	bd_sleeper();
	raw(SYS_execve, "/bin/sh", argv, env);
}

static void *leave(void *arg)
{
	while (bd_state(1) != 'Z') /* the leader's state */
		raw(SYS_sched_yield);
	end();
	return NULL;
}

static void its_leader_leaves_first(void)
{
	pthread_t t;

	bd_sleeper();
	BD_PT(pthread_create(&t, NULL, leave, NULL));
	raw(SYS_exit, 3);
}

const struct bd_case bd_cases[] = {
	{ "orphans, sessions, the stopped and the deaf die with init", orphans_sessions_stopped_and_deaf,
	  .init = true, .ends = 7 },
	{ "vforked and untraced ones do", vforked_and_untraced, .init = true, .ends = 7 },
	{ "those whose threads execute a program do", a_thread_that_execs, .init = true, .ends = 7 },
	{ "those born at that moment do", born_at_that_moment, .init = true, .ends = 7 },
	{ "init dies of its own fault", by_its_own_fault, .init = true, .ends = 128 + SIGSEGV },
	{ "init executes another program", init_execs, .init = true, .ends = 7 },
	{ "init's first thread leaves before the last", its_leader_leaves_first, .init = true, .ends = 7 },
	{},
};
