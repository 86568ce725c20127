/* Mutexes with priority inheritance: they work, or libc says so. What must not happen is a lock that
 * two have or that nobody can get. */
#include "case.h"

#include <linux/futex.h>
#include <pthread.h>

static struct {
	pthread_mutex_t m;
	int inside, rounds;
} pi;

static void *contend(void *arg)
{
	for (int i = 0; i < 200; i++) {
		BD_PT(pthread_mutex_lock(&pi.m));
		BD_EQ(pi.inside++, 0);
		if (i % 20 == 0)
			sched_yield();
		pi.inside--;
		pi.rounds++;
		BD_PT(pthread_mutex_unlock(&pi.m));
	}
	return NULL;
}

static void works_or_is_not_supported(void)
{
	pthread_mutexattr_t a;
	pthread_t t[4];
	int r;

	BD_PT(pthread_mutexattr_init(&a));
	BD_PT(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	r = pthread_mutex_init(&pi.m, &a);
	if (r) {
		BD_EQ(r, ENOTSUP);
		BD_CHECK(bd_virtual());
		return;
	}
	for (int i = 0; i < 4; i++)
		BD_PT(pthread_create(&t[i], NULL, contend, NULL));
	for (int i = 0; i < 4; i++)
		BD_PT(pthread_join(t[i], NULL));
	BD_EQ(pi.rounds, 800);
}

static void raw_operations(void)
{
	static int word;
	long r = raw(SYS_futex, &word, FUTEX_LOCK_PI_PRIVATE, 0, NULL);

	if (bd_virtual() && r == -ENOSYS) {
		BD_ERR(raw(SYS_futex, &word, FUTEX_TRYLOCK_PI, 0, NULL), ENOSYS);
		BD_ERR(raw(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL), ENOSYS);
		BD_ERR(raw(SYS_futex, &word, FUTEX_LOCK_PI2, 0, NULL), ENOSYS);
		BD_EQ(word, 0);
		return;
	}
	BD_DO(r);
	BD_EQ(word, raw(SYS_gettid));
	BD_ERR(raw(SYS_futex, &word, FUTEX_LOCK_PI_PRIVATE, 0, NULL), EDEADLK);
	BD_DO(raw(SYS_futex, &word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL));
	BD_EQ(word, 0);
}

const struct bd_case bd_cases[] = {
	{ "a mutex with priority inheritance works or is not supported", works_or_is_not_supported },
	{ "the raw operations work or are not there", raw_operations },
	{},
};
