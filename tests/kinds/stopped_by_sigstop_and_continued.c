/* Shows: stopped processes stay stopped, and their parent learns of each change exactly once.
 *
 *	first ─┬─ stopped, and its parent has been told
 *	       ├─ stopped, not yet asked about
 *	       └─ stopped with two threads
 */
#include "kindtest.h"

#include <pthread.h>

static void *thread(void *arg)
{
	kt_wait_go();
	return NULL;
}

static void child(void *arg)
{
	pthread_t t;

	if (arg)
		KT_PT(pthread_create(&t, NULL, thread, NULL));
	kt_mark("up.%d", getpid());
	kt_wait_go();
	kt_await("end.%d", getpid());
	if (arg)
		KT_PT(pthread_join(t, NULL));
}

static pid_t stopped(bool threads)
{
	pid_t pid = kt_child(child, threads ? "threads" : NULL);

	kt_await("up.%d", pid);
	KT_SYS(kill(pid, SIGSTOP));
	kt_await_state(pid, 'T');
	return pid;
}

/* The change of this child, or 0 when there is none to report. */
static int change(pid_t pid, int options)
{
	siginfo_t si = {0};

	KT_SYS(waitid(P_PID, (id_t)pid, &si, options | WNOHANG));
	if (si.si_pid)
		KT_EQ(si.si_pid, pid);
	return si.si_pid ? si.si_code : 0;
}

static void go_on(pid_t pid)
{
	KT_EQ(kt_state(pid), 'T');
	KT_SYS(kill(pid, SIGCONT));
	KT_EQ(change(pid, WCONTINUED), CLD_CONTINUED);
	KT_EQ(change(pid, WCONTINUED), 0);
	kt_mark("end.%d", pid);
	kt_reap_ok(pid);
}

int main(void)
{
	pid_t told = stopped(false), untold = stopped(false), threads = stopped(true);

	KT_EQ(change(told, WSTOPPED), CLD_STOPPED);
	KT_UNTIL(change(threads, WSTOPPED) == CLD_STOPPED); /* the last thread may still be stopping */
	kt_ready_and_wait();
	KT_EQ(kt_state(told), 'T');
	KT_EQ(change(told, WSTOPPED | WCONTINUED), 0);
	KT_EQ(change(untold, WSTOPPED), CLD_STOPPED);
	KT_EQ(change(untold, WSTOPPED), 0);
	KT_EQ(change(threads, WSTOPPED), 0);
	go_on(told);
	go_on(untold);
	go_on(threads);
	kt_pass();
}
