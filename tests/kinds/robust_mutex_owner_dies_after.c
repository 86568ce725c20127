/* Shows: the robust list is known again, so a mutex is handed on when its owner dies later.
 *
 *	first ─┬─ owner of a shared mutex, dies holding it
 *	       └─ waiter, blocked in pthread_mutex_lock()
 *	first ═── thread, ends holding another one
 */
#include "kindtest.h"

#include <pthread.h>

struct shared {
	pthread_mutex_t between_processes, between_threads;
};
static struct shared *s;

static void owner(void *arg)
{
	KT_PT(pthread_mutex_lock(&s->between_processes));
	kt_mark("owned");
	kt_wait_go();
	_exit(0);
}

static void waiter(void *arg)
{
	kt_await("owned");
	KT_EQ(pthread_mutex_lock(&s->between_processes), EOWNERDEAD);
	KT_PT(pthread_mutex_consistent(&s->between_processes));
	KT_PT(pthread_mutex_unlock(&s->between_processes));
}

static void *thread(void *arg)
{
	KT_PT(pthread_mutex_lock(&s->between_threads));
	kt_mark("thread");
	kt_wait_go();
	return NULL;
}

int main(void)
{
	pthread_mutexattr_t a;
	pthread_t t;
	pid_t o, w;

	s = kt_map(sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED);
	KT_PT(pthread_mutexattr_init(&a));
	KT_PT(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	KT_PT(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	KT_PT(pthread_mutex_init(&s->between_processes, &a));
	KT_PT(pthread_mutex_init(&s->between_threads, &a));
	o = kt_child(owner, NULL);
	w = kt_child(waiter, NULL);
	KT_PT(pthread_create(&t, NULL, thread, NULL));
	kt_await("owned");
	kt_await("thread");
	kt_await_syscall(w, w, SYS_futex);
	kt_ready_and_wait();
	kt_reap_ok(o);
	kt_reap_ok(w);
	KT_PT(pthread_mutex_lock(&s->between_processes));
	KT_PT(pthread_join(t, NULL));
	KT_EQ(pthread_mutex_lock(&s->between_threads), EOWNERDEAD);
	kt_pass();
}
