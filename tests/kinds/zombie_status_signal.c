/* Shows: zombies that died of signals keep which one it was.
 *
 *	first ─┬─ (killed by SIGKILL)
 *	       ├─ (killed by SIGTERM)
 *	       └─ (killed by a real-time signal)
 */
#include "kindtest.h"

int main(void)
{
	const int sigs[] = {SIGKILL, SIGTERM, 40};
	pid_t pids[3];
	siginfo_t si;

	for (int i = 0; i < 3; i++) {
		pids[i] = KT_SYS(fork());
		if (pids[i] == 0)
			for (;;)
				kt_pause_ms(1000);
		KT_SYS(kill(pids[i], sigs[i]));
	}
	for (int i = 0; i < 3; i++)
		kt_await_state(pids[i], 'Z');
	kt_ready_and_wait();
	for (int i = 0; i < 3; i++) {
		si = (siginfo_t){0};
		KT_SYS(waitid(P_PID, (id_t)pids[i], &si, WEXITED));
		KT_EQ(si.si_pid, pids[i]);
		KT_EQ(si.si_code, CLD_KILLED);
		KT_EQ(si.si_status, sigs[i]);
	}
	kt_pass();
}
