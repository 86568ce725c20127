/* Shows: restartable sequences stay registered: the kernel keeps the cpu number in each thread's area.
 *
 *	first ═╦═ thread 0
 *	       ╚═ thread 1
 */
#include "kindtest.h"

#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>

static volatile struct rseq *area(void)
{
	return (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void verify(void)
{
	_Alignas(32) struct rseq other = {0};
	cpu_set_t all, one;

	/* Exactly this one is registered: a second registration is refused, kernel/rseq.c */
	KT_ERR(syscall(SYS_rseq, &other, 32, 0, RSEQ_SIG), EINVAL);
	KT_ERR(syscall(SYS_rseq, area(), 32, 0, RSEQ_SIG), EBUSY);
	KT_SYS(sched_getaffinity(0, sizeof(all), &all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		KT_SYS(sched_setaffinity(0, sizeof(one), &one));
		KT_EQ(area()->cpu_id, cpu);
		KT_EQ(area()->cpu_id_start, cpu);
	}
	KT_SYS(sched_setaffinity(0, sizeof(all), &all));
}

static void *thread(void *arg)
{
	kt_mark("up.%d", (int)(intptr_t)arg);
	kt_wait_go();
	verify();
	return NULL;
}

int main(void)
{
	pthread_t t[2];

	if (__rseq_size == 0)
		kt_skip("libc has registered none");
	for (intptr_t i = 0; i < 2; i++) {
		KT_PT(pthread_create(&t[i], NULL, thread, (void *)i));
		kt_await("up.%d", (int)i);
	}
	kt_ready_and_wait();
	verify();
	for (int i = 0; i < 2; i++)
		KT_PT(pthread_join(t[i], NULL));
	kt_pass();
}
