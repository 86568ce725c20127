/* Shows: twenty threads keep their tids, thread-local variables and signal masks.
 *
 *	first ═╦═ thread 0
 *	       ╠═ …
 *	       ╚═ thread 19
 */
#include "kindtest.h"

#include <pthread.h>

enum { THREADS = 20 };
static __thread uint64_t local = 1;
static __thread char buffer[3000];

static void *thread(void *arg)
{
	intptr_t i = (intptr_t)arg;
	pid_t tid = kt_gettid();
	pthread_t self = pthread_self();
	sigset_t set, now;

	local = 1000 + (uint64_t)i;
	kt_fill(buffer, sizeof(buffer), (uint32_t)i);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1 + (int)i);
	KT_PT(pthread_sigmask(SIG_BLOCK, &set, NULL));
	kt_mark("up.%d", (int)i);
	kt_wait_go();
	KT_EQ(kt_gettid(), tid);
	KT_CHECK(pthread_equal(pthread_self(), self));
	KT_EQ(local, 1000 + i);
	kt_check_fill("thread-local buffer", buffer, sizeof(buffer), (uint32_t)i);
	KT_PT(pthread_sigmask(SIG_BLOCK, NULL, &now));
	for (int s = SIGRTMIN; s < SIGRTMIN + THREADS + 2; s++)
		KT_EQ(sigismember(&now, s), s == SIGRTMIN + 1 + (int)i);
	return (void *)(intptr_t)tid;
}

int main(void)
{
	pthread_t t[THREADS];
	pid_t pid = getpid();
	void *tid;

	for (intptr_t i = 0; i < THREADS; i++)
		KT_PT(pthread_create(&t[i], NULL, thread, (void *)i));
	for (int i = 0; i < THREADS; i++)
		kt_await("up.%d", i);
	kt_ready_and_wait();
	KT_EQ(getpid(), pid);
	KT_EQ(kt_gettid(), pid);
	KT_EQ(local, 1);
	for (int i = 0; i < THREADS; i++) {
		KT_PT(pthread_join(t[i], &tid));
		KT_CHECK((intptr_t)tid > 0);
		/* The word that joining waits for is cleared a little before the thread is gone. */
		KT_UNTIL(syscall(SYS_tgkill, pid, (pid_t)(intptr_t)tid, 0) < 0 && errno == ESRCH);
	}
	kt_pass();
}
