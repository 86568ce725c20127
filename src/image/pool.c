#include "image/pool.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

unsigned pool_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

int pool_start(struct pool *p, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, old;

	if (p->n == POOL_MAX)
		return -EAGAIN;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&p->thread[p->n], NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return -r;
	p->n++;
	return 0;
}

void pool_join(struct pool *p)
{
	while (p->n)
		pthread_join(p->thread[--p->n], NULL);
}

void crew_init(struct crew *c)
{
	*c = (struct crew){};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	pthread_cond_init(&c->done, NULL);
}

void crew_dismiss(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	pool_join(&c->pool);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
}
