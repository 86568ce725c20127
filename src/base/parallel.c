#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

struct crew {
	atomic_size_t next;
	size_t n, at_once;
	void (*fn)(void *arg, size_t i, unsigned worker);
	void *arg;
};

struct worker {
	struct crew *crew;
	unsigned number;
	pthread_t thread;
};

static void *work(void *arg)
{
	const struct worker *w = arg;
	struct crew *c = w->crew;

	for (;;) {
		size_t i = atomic_fetch_add(&c->next, c->at_once);
		if (i >= c->n)
			return NULL;
		size_t end = c->n - i < c->at_once ? c->n : i + c->at_once;
		for (; i < end; i++)
			c->fn(c->arg, i, w->number);
	}
}

static unsigned processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : n > PARALLEL_MAX ? PARALLEL_MAX : (unsigned)n;
}

void parallel_for(size_t n, size_t at_once, void (*fn)(void *arg, size_t i, unsigned worker), void *arg)
{
	struct crew c = {.n = n, .at_once = at_once ? at_once : 1, .fn = fn, .arg = arg};
	struct worker w[PARALLEL_MAX] = {{.crew = &c}};
	unsigned want = n > c.at_once ? processors() : 1, have = 1;
	sigset_t all, before;

	/* The helpers are nobody's place to handle signals. */
	sigfillset(&all);
	if (want > 1)
		pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; have < want && have * c.at_once < n; have++) {
		w[have] = (struct worker){.crew = &c, .number = have};
		if (pthread_create(&w[have].thread, NULL, work, &w[have]) != 0)
			break;
	}
	if (want > 1)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	work(&w[0]);
	while (have > 1)
		pthread_join(w[--have].thread, NULL);
}
