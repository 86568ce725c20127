/* Shows: threads that sleep in futexes (mutex, condition, barrier, join) are woken as before.
 *
 *	first ═╦═ 4 threads waiting for a mutex
 *	       ╠═ 4 threads waiting for a condition
 *	       ╠═ 3 threads at a barrier of 4
 *	       ╚═ 1 thread joining the last of them
 */
#include "kindtest.h"

#include <pthread.h>

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t t[12];
static pid_t tids[12];
static bool open_;
static int past_mutex, past_cond, past_barrier, serial;

static void *wants_mutex(void *arg)
{
	__atomic_store_n(&tids[(intptr_t)arg], kt_gettid(), __ATOMIC_SEQ_CST);
	KT_PT(pthread_mutex_lock(&held));
	past_mutex++;
	KT_PT(pthread_mutex_unlock(&held));
	return NULL;
}

static void *wants_cond(void *arg)
{
	__atomic_store_n(&tids[(intptr_t)arg], kt_gettid(), __ATOMIC_SEQ_CST);
	KT_PT(pthread_mutex_lock(&lock));
	while (!open_)
		KT_PT(pthread_cond_wait(&cond, &lock));
	past_cond++;
	KT_PT(pthread_mutex_unlock(&lock));
	return NULL;
}

static void *wants_barrier(void *arg)
{
	__atomic_store_n(&tids[(intptr_t)arg], kt_gettid(), __ATOMIC_SEQ_CST);
	if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&past_barrier, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wants_join(void *arg)
{
	__atomic_store_n(&tids[(intptr_t)arg], kt_gettid(), __ATOMIC_SEQ_CST);
	KT_PT(pthread_join(t[10], NULL));
	return "joined";
}

int main(void)
{
	void *joined;
	int r;

	KT_PT(pthread_mutex_lock(&held));
	KT_PT(pthread_barrier_init(&barrier, NULL, 4));
	for (intptr_t i = 0; i < 12; i++)
		KT_PT(pthread_create(&t[i], NULL,
				     i < 4	 ? wants_mutex
				     : i < 8  ? wants_cond
				     : i < 11 ? wants_barrier
					      : wants_join,
				     (void *)i));
	for (int i = 0; i < 12; i++) {
		KT_UNTIL(__atomic_load_n(&tids[i], __ATOMIC_SEQ_CST));
		kt_await_syscall(getpid(), tids[i], SYS_futex);
	}
	kt_ready_and_wait();
	for (int i = 0; i < 12; i++) {
		if (!kt_in_syscall(getpid(), tids[i], SYS_futex))
			KT_UNTIL(kt_in_syscall(getpid(), tids[i], SYS_futex));
	}
	KT_EQ(past_mutex + past_cond + past_barrier, 0);
	KT_PT(pthread_mutex_unlock(&held));
	KT_PT(pthread_mutex_lock(&lock));
	open_ = true;
	KT_PT(pthread_cond_broadcast(&cond));
	KT_PT(pthread_mutex_unlock(&lock));
	r = pthread_barrier_wait(&barrier);
	KT_CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
	for (int i = 0; i < 10; i++)
		KT_PT(pthread_join(t[i], NULL));
	KT_PT(pthread_join(t[11], &joined));
	KT_STR_EQ(joined, "joined");
	KT_EQ(past_mutex, 4);
	KT_EQ(past_cond, 4);
	KT_EQ(past_barrier, 3);
	KT_EQ(serial + (r == PTHREAD_BARRIER_SERIAL_THREAD), 1);
	kt_pass();
}
