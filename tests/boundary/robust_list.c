/* get_robust_list, and robust mutexes whose owner is killed. */
#include "case.h"

#include <linux/futex.h>
#include <pthread.h>

static void head_of_a_child(void)
{
	static struct robust_list_head head = { .list.next = &head.list };
	struct robust_list_head *got = NULL;
	size_t len = 0;
	pid_t child;

	BD_DO(raw(SYS_set_robust_list, &head, sizeof(head)));
	BD_DO(raw(SYS_get_robust_list, 0, &got, &len));
	BD_CHECK(got == &head && len == sizeof(head));
	BD_DO(raw(SYS_get_robust_list, raw(SYS_gettid), &got, &len));
	BD_CHECK(got == &head);
	child = bd_sleeper();
	BD_DO(raw(SYS_get_robust_list, child, &got, &len));
	BD_CHECK(got == NULL);
	bd_end(child);
	BD_ERR(raw(SYS_get_robust_list, child, &got, &len), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_get_robust_list, outside, &got, &len), ESRCH);
}

struct locked {
	pthread_mutex_t m;
	_Atomic int held;
};

static struct locked *new_lock(void)
{
	struct locked *l = bd_shared(4096);
	pthread_mutexattr_t a;

	BD_PT(pthread_mutexattr_init(&a));
	BD_PT(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	BD_PT(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	BD_PT(pthread_mutex_init(&l->m, &a));
	return l;
}

/* By libc, which tells the child's tid to its locks and the list's head to the kernel. */
static pid_t child_of_libc(void (*fn)(void *), void *arg)
{
	pid_t pid = BD_SYS(fork());

	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

static void lock_and_stay(void *arg)
{
	struct locked *l = arg;

	BD_PT(pthread_mutex_lock(&l->m));
	l->held = 1;
	raw(SYS_pause);
}

static void lock_and_leave(void *arg)
{
	struct locked *l = arg;

	BD_PT(pthread_mutex_lock(&l->m));
	l->held = 1;
}

static void is_consistent_again(struct locked *l)
{
	BD_EQ(pthread_mutex_lock(&l->m), EOWNERDEAD);
	BD_PT(pthread_mutex_consistent(&l->m));
	BD_PT(pthread_mutex_unlock(&l->m));
	BD_PT(pthread_mutex_lock(&l->m));
	BD_PT(pthread_mutex_unlock(&l->m));
}

static void owner_exits(void)
{
	struct locked *l = new_lock();

	bd_reap_ok(child_of_libc(lock_and_leave, l));
	is_consistent_again(l);
}

/* With virtual pids the kernel does not know the number in the lock of one that is killed; what ends by itself is looked
 * after. A limit that the manual names: the lock stays taken. */
static void owner_is_killed(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l);

	BD_UNTIL(l->held);
	bd_end(child);
	if (bd_virtual()) {
		BD_EQ(pthread_mutex_trylock(&l->m), EBUSY);
		return;
	}
	is_consistent_again(l);
}

static void waiter(void *arg)
{
	is_consistent_again(arg);
}

static void owner_is_killed_while_others_wait(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l), waits;

	BD_UNTIL(l->held);
	if (bd_virtual()) {
		bd_end(child);
		return;
	}
	waits = child_of_libc(waiter, l);
	bd_await_asleep(waits);
	bd_end(child);
	bd_reap_ok(waits);
}

static void *lock_in_thread(void *arg)
{
	lock_and_leave(arg);
	return NULL;
}

static void owner_is_a_thread_that_ends(void)
{
	struct locked *l = new_lock();
	pthread_t t;

	BD_PT(pthread_create(&t, NULL, lock_in_thread, l));
	BD_PT(pthread_join(t, NULL));
	is_consistent_again(l);
}

const struct bd_case bd_cases[] = {
	{ "head of a child's list, of nobody's", head_of_a_child },
	{ "the owner of a robust mutex exits", owner_exits },
	{ "the owner is killed", owner_is_killed },
	{ "the owner is killed while another waits", owner_is_killed_while_others_wait },
	{ "the owner is a thread that ends", owner_is_a_thread_that_ends },
	{},
};
