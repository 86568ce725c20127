/* Shows: each thread keeps the alternative signal stack of its own, and handlers run on it.
 *
 *	first ═╦═ thread 0, stack 0
 *	       ╠═ thread 1, stack 1 (SS_AUTODISARM)
 *	       ╚═ thread 2, none
 */
#include "kindtest.h"

#include <pthread.h>

enum { THREADS = 3, SIZE = 65536 };
static _Alignas(16) char stacks[THREADS][SIZE];
static __thread void *ran_on;

static void on_usr1(int sig)
{
	ran_on = __builtin_frame_address(0);
}

static void *thread(void *arg)
{
	intptr_t i = (intptr_t)arg;
	unsigned int autodisarm = 1u << 31; /* SS_AUTODISARM, sigaltstack(2) */
	stack_t want = {.ss_sp = stacks[i], .ss_size = SIZE}, now;

	if (i == 1)
		want.ss_flags = (int)autodisarm;
	if (i == 2)
		want = (stack_t){.ss_flags = SS_DISABLE};
	KT_SYS(sigaltstack(&want, NULL));
	kt_mark("up.%d", (int)i);
	kt_wait_go();
	KT_SYS(sigaltstack(NULL, &now));
	KT_EQ(now.ss_flags, want.ss_flags);
	if (i < 2) {
		KT_EQ((intptr_t)now.ss_sp, (intptr_t)stacks[i]);
		KT_EQ(now.ss_size, SIZE);
	}
	KT_PT(pthread_kill(pthread_self(), SIGUSR1));
	KT_CHECK(ran_on != NULL);
	KT_EQ((char *)ran_on >= stacks[i] && (char *)ran_on < stacks[i] + SIZE, i < 2);
	return NULL;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
	pthread_t t[THREADS];

	KT_SYS(sigaction(SIGUSR1, &sa, NULL));
	for (intptr_t i = 0; i < THREADS; i++)
		KT_PT(pthread_create(&t[i], NULL, thread, (void *)i));
	for (int i = 0; i < THREADS; i++)
		kt_await("up.%d", i);
	kt_ready_and_wait();
	for (int i = 0; i < THREADS; i++)
		KT_PT(pthread_join(t[i], NULL));
	kt_pass();
}
