/* Shows: real-time signals stay queued, all of them, lowest first and each number in order.
 *
 *	first ── child with a queue of 24
 */
#include "kindtest.h"

enum { EACH = 8 };
static const int offsets[] = {7, 2, 5}; /* in this order they are sent, 2 5 7 is how they arrive */

static void child(void *arg)
{
	const struct timespec at_once = {0, 0};
	const int arrive[] = {2, 5, 7};
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < 3; i++)
		sigaddset(&set, SIGRTMIN + offsets[i]);
	KT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	kt_mark("blocked");
	kt_wait_go();
	for (int i = 0; i < 3; i++)
		for (int n = 0; n < EACH; n++) {
			KT_EQ(KT_SYS(sigtimedwait(&set, &si, &at_once)), SIGRTMIN + arrive[i]);
			KT_EQ(si.si_value.sival_int, arrive[i] * 100 + n);
			KT_EQ(si.si_code, SI_QUEUE);
			KT_EQ(si.si_pid, getppid());
		}
	KT_ERR(sigtimedwait(&set, NULL, &at_once), EAGAIN);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("blocked");
	for (int n = 0; n < EACH; n++)
		for (int i = 0; i < 3; i++)
			KT_SYS(sigqueue(pid, SIGRTMIN + offsets[i],
					(union sigval){.sival_int = offsets[i] * 100 + n}));
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
