/* Refused with E_PIDFD: a pidfd.
 *
 *	first (pidfd) ── child
 */
#include "kindtest.h"

static void child(void *arg)
{
	kt_wait_go();
	kt_pause_ms(50);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);
	int fd = (int)KT_SYS(syscall(SYS_pidfd_open, pid, 0));

	kt_refused_with("E_PIDFD");
	kt_ready_and_wait();
	KT_SYS(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	kt_reap_ok(pid);
	KT_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
	kt_pass();
}
