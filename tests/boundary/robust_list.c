/* get_robust_list, and robust mutexes whose owner is gone: killed, executing, ending by itself. */
#include "case.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>

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

static void owner_is_killed(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l);

	BD_UNTIL(l->held);
	bd_end(child);
	is_consistent_again(l);
}

/* A zombie owns nothing. */
static void owner_is_not_reaped(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l);

	BD_UNTIL(l->held);
	BD_DO(raw(SYS_kill, child, SIGKILL));
	BD_UNTIL(bd_state(child) == 'Z');
	is_consistent_again(l);
	bd_reap(child);
}

/* Where nobody makes a system call nobody is told: the manual names it. */
static void trylock_of_the_killed(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l);

	BD_UNTIL(l->held);
	bd_end(child);
	BD_EQ(pthread_mutex_trylock(&l->m), bd_virtual() ? EBUSY : EOWNERDEAD);
}

static void lock_and_crash(void *arg)
{
	struct locked *l = arg;
	volatile uintptr_t nowhere = 8;

	BD_PT(pthread_mutex_lock(&l->m));
	*(volatile int *)nowhere = 1;
}

static void owner_crashes(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_crash, l);

	BD_EQ(bd_reap(child) & 0x7f, SIGSEGV);
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
	waits = child_of_libc(waiter, l);
	bd_await_asleep(waits);
	bd_end(child);
	bd_reap_ok(waits);
}

static void take_in_turn(void *arg)
{
	struct locked *l = arg;
	int e = pthread_mutex_lock(&l->m);

	if (e == EOWNERDEAD)
		BD_PT(pthread_mutex_consistent(&l->m));
	else
		BD_PT(e);
	l->held++;
	BD_PT(pthread_mutex_unlock(&l->m));
}

static void many_wait(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l), waits[8];

	BD_UNTIL(l->held);
	for (int i = 0; i < 8; i++)
		waits[i] = child_of_libc(take_in_turn, l);
	for (int i = 0; i < 8; i++)
		bd_await_asleep(waits[i]);
	bd_end(child);
	for (int i = 0; i < 8; i++)
		bd_reap_ok(waits[i]);
	BD_EQ(l->held, 9);
}

/* Each of a chain waits for the one before; all the watched live. More of them than the warden watches at a time. */
enum { LOCKS = 300 };

static void lock_the_next(struct locked *l)
{
	take_in_turn(l);
	l->held = 100;
}

static void many_owners(void)
{
	struct locked *l[LOCKS];
	pid_t owner[LOCKS], waits[LOCKS];

	for (int i = 0; i < LOCKS; i++) {
		l[i] = new_lock();
		owner[i] = child_of_libc(lock_and_stay, l[i]);
		BD_UNTIL(l[i]->held);
		waits[i] = child_of_libc((void (*)(void *))lock_the_next, l[i]);
	}
	for (int i = 0; i < LOCKS; i++)
		bd_await_asleep(waits[i]);
	for (int i = 0; i < LOCKS; i++)
		BD_DO(raw(SYS_kill, owner[i], SIGKILL));
	for (int i = 0; i < LOCKS; i++) {
		bd_reap(owner[i]);
		bd_reap_ok(waits[i]);
		BD_EQ(l[i]->held, 100);
	}
}

static void unlock_when_told(void *arg)
{
	struct locked *l = arg;

	BD_PT(pthread_mutex_lock(&l->m));
	l->held = 1;
	BD_UNTIL(l->held == 2);
	BD_PT(pthread_mutex_unlock(&l->m));
	raw(SYS_pause);
}

static void lock_in_peace(void *arg)
{
	struct locked *l = arg;

	BD_PT(pthread_mutex_lock(&l->m));
	BD_PT(pthread_mutex_unlock(&l->m));
}

static void owner_unlocks(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(unlock_when_told, l), waits;

	BD_UNTIL(l->held);
	waits = child_of_libc(lock_in_peace, l);
	bd_await_asleep(waits);
	l->held = 2;
	bd_reap_ok(waits);
	bd_end(child);
}

static void timed_out(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l);
	struct timespec t;

	BD_UNTIL(l->held);
	BD_SYS(clock_gettime(CLOCK_REALTIME, &t));
	t.tv_sec += t.tv_nsec >= 950000000;
	t.tv_nsec = (t.tv_nsec + 50000000) % 1000000000;
	BD_EQ(pthread_mutex_timedlock(&l->m, &t), ETIMEDOUT);
	BD_SYS(clock_gettime(CLOCK_MONOTONIC, &t));
	t.tv_sec += t.tv_nsec >= 950000000;
	t.tv_nsec = (t.tv_nsec + 50000000) % 1000000000;
	BD_EQ(pthread_mutex_clocklock(&l->m, CLOCK_MONOTONIC, &t), ETIMEDOUT);
	bd_end(child);
	t.tv_sec += 20;
	BD_EQ(pthread_mutex_clocklock(&l->m, CLOCK_MONOTONIC, &t), EOWNERDEAD);
}

static _Atomic int *signals;

static void count(int sig)
{
	(*signals)++;
}

static void wait_with_a_handler(void *arg)
{
	struct sigaction sa = { .sa_handler = count };

	BD_SYS(sigaction(SIGUSR1, &sa, NULL));
	is_consistent_again(arg);
}

static void signals_interrupt_the_wait(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l), waits;

	signals = bd_shared(4096);
	BD_UNTIL(l->held);
	waits = child_of_libc(wait_with_a_handler, l);
	for (int i = 0; i < 5; i++) {
		bd_await_asleep(waits);
		BD_DO(raw(SYS_kill, waits, SIGUSR1));
		BD_UNTIL(*signals > i);
	}
	bd_end(child);
	bd_reap_ok(waits);
}

/* A word that only looks like a held mutex of somebody dead: no operation of ours is under way on it. */
static void other_words_are_left_alone(void)
{
	_Atomic uint32_t *word = bd_shared(4096);
	pid_t child = bd_sleeper();
	struct timespec t = { .tv_nsec = 20000000 };

	bd_end(child);
	*word = (uint32_t)child | FUTEX_WAITERS;
	BD_ERR(raw(SYS_futex, word, FUTEX_WAIT, *word, &t), ETIMEDOUT);
	BD_EQ(*word, (uint32_t)child | FUTEX_WAITERS);
	BD_ERR(raw(SYS_futex, word, FUTEX_WAIT, 1 | FUTEX_WAITERS, &t), EAGAIN);
	BD_ERR(raw(SYS_futex, 8, FUTEX_WAIT, 1 | FUTEX_WAITERS, &t), EFAULT);
	BD_ERR(raw(SYS_futex, (char *)word + 1, FUTEX_WAIT, 1 | FUTEX_WAITERS, &t), EINVAL);
}

/* A filter of the program's own, as sandboxes have it, that does not know futex_waitv(2). */
static void wait_under_a_filter(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };

	BD_DO(raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1));
	BD_DO(raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	is_consistent_again(arg);
}

static void waits_under_a_filter(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_stay, l), waits;

	BD_UNTIL(l->held);
	waits = child_of_libc(wait_under_a_filter, l);
	bd_await_asleep(waits);
	bd_end(child);
	bd_reap_ok(waits);
}

static void lock_and_execute(void *arg)
{
	char *argv[] = { "sleep", "1000", NULL };
	struct locked *l = arg;

	BD_PT(pthread_mutex_lock(&l->m));
	/* What fails leaves the lock ours. */
	BD_ERR(raw(SYS_execve, "/", argv, environ), EACCES);
	BD_ERR(raw(SYS_execve, "/bin/sleep", 8, environ), EFAULT);
	BD_EQ(l->m.__data.__lock, raw(SYS_gettid));
	l->held = 1;
	raw(SYS_execve, "/bin/sleep", argv, environ);
	raw(SYS_exit, 127);
}

static void owner_executes(void)
{
	struct locked *l = new_lock();
	pid_t child = child_of_libc(lock_and_execute, l);

	BD_UNTIL(l->held);
	is_consistent_again(l);
	bd_end(child);
}

/* Workers take turns, some of them die while they hold the lock: nobody is stuck, and what it guards stays right. */
struct guarded {
	struct locked l;
	_Atomic int inside;
	_Atomic long turns;
};

static void work(void *arg)
{
	struct guarded *g = arg;

	for (;;) {
		int e = pthread_mutex_lock(&g->l.m);

		if (e == EOWNERDEAD) {
			BD_PT(pthread_mutex_consistent(&g->l.m));
			g->inside = 0;
		} else {
			BD_PT(e);
		}
		BD_EQ(g->inside++, 0);
		g->turns++;
		if (g->turns % 16 == 0)
			raw(SYS_sched_yield);
		g->inside--;
		BD_PT(pthread_mutex_unlock(&g->l.m));
	}
}

static void killed_at_any_moment(void)
{
	struct guarded *g = (struct guarded *)new_lock();
	pid_t worker[4];

	for (int i = 0; i < 4; i++)
		worker[i] = child_of_libc(work, g);
	for (int i = 0; i < 200; i++) {
		long turns = g->turns;

		BD_UNTIL(g->turns > turns);
		bd_end(worker[i % 4]);
		worker[i % 4] = child_of_libc(work, g);
	}
	for (int i = 0; i < 4; i++) {
		BD_DO(raw(SYS_kill, worker[i], SIGKILL));
		BD_EQ(bd_reap(worker[i]), SIGKILL);
	}
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
	{ "the owner is killed and not reaped", owner_is_not_reaped },
	{ "the owner is killed, and nobody waits for the lock", trylock_of_the_killed },
	{ "the owner crashes", owner_crashes },
	{ "the owner is killed while another waits", owner_is_killed_while_others_wait },
	{ "the owner is killed while many wait", many_wait },
	{ "many owners are killed, another waits for each", many_owners },
	{ "the owner unlocks while another waits", owner_unlocks },
	{ "a wait for the lock is timed out", timed_out },
	{ "signals interrupt a wait for the lock", signals_interrupt_the_wait },
	{ "words that are no mutex are left alone", other_words_are_left_alone },
	{ "the owner is killed while one waits under a filter", waits_under_a_filter },
	{ "the owner executes", owner_executes },
	{ "owners are killed at any moment", killed_at_any_moment },
	{ "the owner is a thread that ends", owner_is_a_thread_that_ends },
	{},
};
