/* Refused with E_NESTED_NAMESPACE: a process in a PID namespace made inside.
 *
 *	first ── middle ── [namespace: 1]
 */
#include "kindtest.h"

#include <sched.h>

static void inner(void *arg)
{
	KT_EQ(getpid(), 1);
	kt_mark("inner");
	kt_wait_go();
	KT_EQ(getpid(), 1);
}

int main(void)
{
	pid_t pid;

	if (unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWPID) < 0)
		kt_skip("no namespaces for this user here");
	pid = kt_child(inner, NULL);
	kt_await("inner");
	kt_refused_with("E_NESTED_NAMESPACE");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
