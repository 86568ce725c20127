/* Shows: the blocked signals of each process and thread, as sigprocmask and /proc tell.
 *
 *	first (SIGUSR1) ═══ thread (SIGUSR2)
 *	  ├─ child (everything)
 *	  └─ child (nothing)
 */
#include "kindtest.h"

#include <pthread.h>

static uint64_t in_proc(void)
{
	char line[256];
	FILE *f = fopen("/proc/thread-self/status", "re");
	uint64_t mask = 0;

	KT_CHECK(f != NULL);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "SigBlk:", 7))
			mask = strtoull(line + 7, NULL, 16);
	fclose(f);
	return mask;
}

static void hold(uint64_t mask, void (*wait)(void))
{
	uint64_t expect = mask & ~(1ull << (SIGKILL - 1)) & ~(1ull << (SIGSTOP - 1)), now;

	KT_SYS(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
	kt_mark("up.%d", kt_gettid());
	wait();
	KT_SYS(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8));
	KT_EQ(now, expect);
	KT_EQ(in_proc(), expect);
}

static void child(void *arg)
{
	hold(arg ? ~0ull : 0, kt_wait_go);
}

static pid_t tid;

static void *thread(void *arg)
{
	__atomic_store_n(&tid, kt_gettid(), __ATOMIC_SEQ_CST);
	hold(1ull << (SIGUSR2 - 1), kt_wait_go);
	return NULL;
}

int main(void)
{
	pid_t all = kt_child(child, "all"), none = kt_child(child, NULL);
	pthread_t t;

	KT_PT(pthread_create(&t, NULL, thread, NULL));
	KT_UNTIL(__atomic_load_n(&tid, __ATOMIC_SEQ_CST));
	kt_await("up.%d", all);
	kt_await("up.%d", none);
	kt_await("up.%d", tid);
	hold(1ull << (SIGUSR1 - 1), kt_ready_and_wait);
	KT_PT(pthread_join(t, NULL));
	kt_reap_ok(all);
	kt_reap_ok(none);
	kt_pass();
}
