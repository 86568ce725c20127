/* Refused with E_TRACED: a process traced by another one.
 *
 *	first (tracer) ── child
 */
#include "kindtest.h"

#include <sys/ptrace.h>

static void child(void *arg)
{
	kt_wait_go();
	kt_await("detached");
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);
	int status;

	KT_SYS(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	kt_refused_with("E_TRACED");
	kt_ready_and_wait();
	KT_SYS(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	KT_EQ(waitpid(pid, &status, 0), pid);
	KT_CHECK(WIFSTOPPED(status));
	KT_SYS(ptrace(PTRACE_DETACH, pid, NULL, NULL));
	kt_mark("detached");
	kt_reap_ok(pid);
	kt_pass();
}
