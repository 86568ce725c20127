#pragma once
/* A handful of threads that run one function until it returns. They block all signals: signals are
 * the business of the thread that called us. They start late, when there is work worth it, because a
 * process with several threads may not enter user namespaces (setns(2)). */
#include <pthread.h>
#include <stdbool.h>

#define POOL_MAX 16

struct pool {
	pthread_t thread[POOL_MAX];
	unsigned n;
};

/* How many of our threads can run at once; at least 1. */
unsigned pool_cpus(void);

/* Adds one thread. -errno of pthread_create(3), -EAGAIN when there are POOL_MAX. */
int pool_start(struct pool *p, void *(*fn)(void *arg), void *arg);

/* Waits until all have returned. */
void pool_join(struct pool *p);

/* Threads that wait for work under one lock. They return when they see stop, which is under it too. */
struct crew {
	struct pool pool;
	pthread_mutex_t lock;
	pthread_cond_t work; /* there is some */
	pthread_cond_t done; /* somebody has finished some */
	bool stop;
};

void crew_init(struct crew *c);

/* Work that waits stays undone. Nobody else uses c any more. */
void crew_dismiss(struct crew *c);
