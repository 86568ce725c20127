/* Shows: a process whose main thread has ended lives on in its other threads, under the same pid.
 *
 *	first ── child: (main thread, ended) ═╦═ a
 *	                                      ╚═ b
 */
#include "kindtest.h"

#include <pthread.h>

static pid_t pid;

static void verify(pid_t tid)
{
	KT_EQ(getpid(), pid);
	KT_EQ(kt_gettid(), tid);
	KT_CHECK(tid != pid);
	KT_EQ(kt_state(pid), 'Z'); /* as a thread the leader is a zombie, its group is not */
}

static void *b(void *arg)
{
	pid_t tid = kt_gettid();

	kt_mark("b");
	kt_wait_go();
	verify(tid);
	return NULL;
}

static void *a(void *arg)
{
	pid_t tid = kt_gettid();
	pthread_t t;

	kt_await_state(pid, 'Z');
	KT_PT(pthread_create(&t, NULL, b, NULL));
	kt_mark("a");
	kt_wait_go();
	verify(tid);
	KT_PT(pthread_join(t, NULL));
	_exit(9);
}

static void child(void *arg)
{
	pthread_t t;

	pid = getpid();
	KT_PT(pthread_create(&t, NULL, a, NULL));
	pthread_exit(NULL);
}

int main(void)
{
	pid_t c = kt_child(child, NULL);
	int status;

	kt_await("a");
	kt_await("b");
	kt_ready_and_wait();
	KT_EQ(waitpid(c, &status, 0), c);
	KT_EQ(status, W_EXITCODE(9, 0));
	kt_pass();
}
