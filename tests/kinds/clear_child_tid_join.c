/* Shows: the kernel still clears the word that announces a thread's end, so that joining works.
 *
 *	first ═╦═ 4 threads that are joined
 *	       ╚═ raw clone(2) with CLONE_CHILD_CLEARTID on a word of ours
 */
#include "kindtest.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

enum { THREADS = 4 };
static _Alignas(16) char stack[65536];
static volatile pid_t word;

static void *thread(void *arg)
{
	kt_wait_go();
	return arg;
}

/* Without thread-local storage of its own: raw calls only. */
static int raw(void *arg)
{
	static char path[4096];

	strcpy(path, kt_path("go")); /* before others use the buffers: see main */
	while (syscall(SYS_access, path, F_OK) != 0)
		syscall(SYS_poll, NULL, 0, 20);
	syscall(SYS_exit, 0);
	return 0;
}

int main(void)
{
	pthread_t t[THREADS];
	pid_t tid, now;
	void *ret;

	tid = clone(raw, stack + sizeof(stack),
		    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			    CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
		    NULL, NULL, NULL, (void *)&word);
	KT_SYS(tid);
	kt_await_syscall(getpid(), tid, SYS_poll);
	for (intptr_t i = 0; i < THREADS; i++)
		KT_PT(pthread_create(&t[i], NULL, thread, (void *)(i + 100)));
	KT_EQ(word, tid);
	kt_ready_and_wait();
	while ((now = word))
		syscall(SYS_futex, &word, FUTEX_WAIT, now, NULL, NULL, 0);
	KT_UNTIL(syscall(SYS_tgkill, getpid(), tid, 0) < 0 && errno == ESRCH);
	for (int i = 0; i < THREADS; i++) {
		KT_PT(pthread_join(t[i], &ret));
		KT_EQ((intptr_t)ret, i + 100);
	}
	kt_pass();
}
