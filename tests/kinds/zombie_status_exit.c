/* Shows: a zombie keeps its pid and exit status until its parent collects it.
 *
 *	first ── (exited with 42, not waited for)
 */
#include "kindtest.h"

int main(void)
{
	pid_t child = KT_SYS(fork());
	siginfo_t si = {0};

	if (child == 0)
		_exit(42);
	kt_await_state(child, 'Z');
	kt_ready_and_wait();
	KT_EQ(kt_state(child), 'Z');
	KT_EQ(kt_stat_field(child, 4), getpid());
	KT_SYS(kill(child, 0)); /* a zombie still can be named */
	KT_SYS(waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT));
	KT_EQ(si.si_pid, child);
	KT_EQ(si.si_code, CLD_EXITED);
	KT_EQ(si.si_status, 42);
	KT_EQ(si.si_uid, getuid());
	si = (siginfo_t){0};
	KT_SYS(waitid(P_PID, (id_t)child, &si, WEXITED));
	KT_EQ(si.si_pid, child);
	KT_ERR(kill(child, 0), ESRCH);
	kt_pass();
}
