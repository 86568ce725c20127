/* getpid gettid getppid getpgrp getpgid getsid setpgid setsid set_tid_address: who am I. */
#include "case.h"

#include <pthread.h>

static void told_by_fork(void)
{
	int *seen = bd_shared(4096);
	pid_t mine = (pid_t)raw(SYS_getpid), child = (pid_t)BD_DO(raw(SYS_fork));

	if (child == 0) {
		seen[0] = (int)raw(SYS_getpid);
		seen[1] = (int)raw(SYS_gettid);
		seen[2] = (int)raw(SYS_getppid);
		seen[3] = (int)raw(SYS_getpgrp);
		seen[4] = (int)raw(SYS_getsid, 0);
		raw(SYS_exit, 0);
	}
	bd_reap_ok(child);
	BD_EQ(seen[0], child);
	BD_EQ(seen[1], child);
	BD_EQ(seen[2], mine);
	BD_EQ(seen[3], raw(SYS_getpgrp));
	BD_EQ(seen[4], raw(SYS_getsid, 0));
	BD_OP(child, >, mine);
}

static void small_numbers(void)
{
	BD_OP(raw(SYS_getpid), >, 1);
	BD_OP(raw(SYS_getpid), <, 3000);
	BD_EQ(raw(SYS_getppid), 1);
}

static void groups_of_others(void)
{
	pid_t child = bd_sleeper();

	BD_EQ(raw(SYS_getpgid, 0), raw(SYS_getpgrp));
	BD_EQ(raw(SYS_getpgid, child), raw(SYS_getpgrp));
	BD_EQ(raw(SYS_getsid, child), raw(SYS_getsid, 0));
	BD_DO(raw(SYS_setpgid, child, 0));
	BD_EQ(raw(SYS_getpgid, child), child);
	BD_EQ(raw(SYS_getpgid, 1), raw(SYS_getpgrp));
	BD_DO(raw(SYS_getsid, 1));
	bd_end(child);
	BD_ERR(raw(SYS_getpgid, child), ESRCH);
	BD_ERR(raw(SYS_getsid, child), ESRCH);
	BD_ERR(raw(SYS_getpgid, -1), ESRCH);
	BD_ERR(raw(SYS_getsid, -1), ESRCH);
}

static void outside_is_nobody(void)
{
	BD_OUTSIDE_ERR(raw(SYS_getpgid, outside), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_getsid, outside), ESRCH);
}

static void *thread_ids(void *ret)
{
	int *ids = ret;

	ids[0] = (int)raw(SYS_getpid);
	ids[1] = (int)raw(SYS_gettid);
	ids[2] = (int)raw(SYS_getppid);
	ids[3] = (int)raw(SYS_set_tid_address, NULL);
	return NULL;
}

static void threads_have_their_own(void)
{
	int a[4], b[4];
	pthread_t t;

	BD_EQ(raw(SYS_gettid), raw(SYS_getpid));
	BD_PT(pthread_create(&t, NULL, thread_ids, a));
	/* Its tid is forgotten by set_tid_address(NULL), so pthread_join() would wait for ever. */
	BD_UNTIL(__atomic_load_n(&a[3], __ATOMIC_SEQ_CST) > 0);
	BD_PT(pthread_create(&t, NULL, thread_ids, b));
	BD_UNTIL(__atomic_load_n(&b[3], __ATOMIC_SEQ_CST) > 0);
	BD_EQ(a[0], raw(SYS_getpid));
	BD_EQ(a[2], raw(SYS_getppid));
	BD_EQ(a[3], a[1]);
	BD_OP(a[1], >, a[0]);
	BD_OP(b[1], >, a[1]);
	BD_OP(b[1], <, 3000);
}

static void set_tid_address_answers(void)
{
	int word;

	BD_EQ(raw(SYS_set_tid_address, &word), raw(SYS_gettid));
	BD_EQ(raw(SYS_set_tid_address, NULL), raw(SYS_gettid));
}

static void init_is_one(void)
{
	BD_EQ(raw(SYS_getpid), 1);
	BD_EQ(raw(SYS_gettid), 1);
	BD_EQ(raw(SYS_getppid), 0);
	BD_EQ(raw(SYS_getpgrp), 1);
	BD_EQ(raw(SYS_getpgid, 0), 1);
	BD_EQ(raw(SYS_getsid, 0), 1);
	BD_EQ(raw(SYS_getsid, 1), 1);
	BD_EQ(raw(SYS_set_tid_address, NULL), 1);
	BD_EQ(bd_stat_field(1, 4), 0);
}

static void first_child_is_two(void)
{
	pid_t a = (pid_t)BD_DO(raw(SYS_fork));

	if (a == 0) {
		BD_EQ(raw(SYS_getpid), 2);
		BD_EQ(raw(SYS_getppid), 1);
		raw(SYS_exit, 0);
	}
	BD_EQ(a, 2);
	bd_reap_ok(a);
	for (int i = 3; i < 30; i++) {
		pid_t next = (pid_t)BD_DO(raw(SYS_fork));

		if (next == 0)
			raw(SYS_exit, (int)raw(SYS_getpid) != i);
		BD_EQ(next, i);
		bd_reap_ok(next);
	}
}

static void leads_a_session(void *seen)
{
	pid_t mine = (pid_t)raw(SYS_getpid);

	BD_EQ(raw(SYS_setsid), mine);
	BD_EQ(raw(SYS_getsid, 0), mine);
	BD_EQ(raw(SYS_getpgrp), mine);
	BD_ERR(raw(SYS_setsid), EPERM);
	BD_ERR(raw(SYS_setpgid, 0, 0), EPERM);
	*(int *)seen = mine;
}

static void a_new_session(void)
{
	int *seen = bd_shared(4096);
	pid_t child = bd_child(leads_a_session, seen);

	bd_reap_ok(child);
	BD_EQ(*seen, child);
}

static void leave_a_child_in_my_session(void *ret)
{
	BD_DO(raw(SYS_setsid));
	*(int *)ret = bd_sleeper();
}

/* A session and a group bear the number of a leader that is gone. */
static void the_leader_is_gone(void)
{
	int *left = bd_shared(4096);
	pid_t leader = bd_child(leave_a_child_in_my_session, left);

	bd_reap_ok(leader);
	BD_EQ(raw(SYS_getsid, *left), leader);
	BD_EQ(raw(SYS_getpgid, *left), leader);
	BD_EQ(bd_stat_field(*left, 5), leader);
	BD_EQ(bd_stat_field(*left, 6), leader);
	BD_ERR(raw(SYS_getsid, leader), ESRCH);
	BD_ERR(raw(SYS_kill, leader, 0), ESRCH);
	BD_DO(raw(SYS_kill, -leader, SIGKILL));
}

static void groups_are_joined(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper(), mine = (pid_t)raw(SYS_getpid);

	BD_ERR(raw(SYS_setpgid, b, a), EPERM); /* no such group yet */
	BD_DO(raw(SYS_setpgid, a, a));
	BD_DO(raw(SYS_setpgid, b, a));
	BD_EQ(raw(SYS_getpgid, b), a);
	BD_ERR(raw(SYS_setpgid, b, -1), EINVAL);
	BD_ERR(raw(SYS_setpgid, 1, 0), ESRCH); /* no child */
	BD_DO(raw(SYS_setpgid, 0, a));
	BD_EQ(raw(SYS_getpgrp), a);
	BD_DO(raw(SYS_setpgid, mine, 0));
	BD_EQ(raw(SYS_getpgrp), mine);
	BD_OUTSIDE_ERR(raw(SYS_setpgid, outside, 0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_setpgid, 0, outside), EPERM);
	bd_end(a);
	bd_end(b);
}

const struct bd_case bd_cases[] = {
	{ "a child is who fork says it is", told_by_fork },
	{ "numbers are small, the parent is init", small_numbers },
	{ "groups and sessions of others", groups_of_others },
	{ "nobody outside has a group or a session", outside_is_nobody },
	{ "threads have tids of their own", threads_have_their_own },
	{ "set_tid_address answers the tid", set_tid_address_answers },
	{ "setsid answers the own number", a_new_session },
	{ "a session whose leader is gone keeps its number", the_leader_is_gone },
	{ "groups are founded and joined, and none outside", groups_are_joined },
	{ "init is 1 with parent 0, and leads its group and session", init_is_one, .init = true },
	{ "numbers are handed out upwards from 2", first_child_is_two, .init = true },
	{},
};
