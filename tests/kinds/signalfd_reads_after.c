/* Shows: a signalfd keeps its mask and hands out signals that were pending and new ones.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/signalfd.h>

static void expect(int fd, int sig, int value)
{
	struct signalfd_siginfo si;

	KT_EQ(KT_SYS(read(fd, &si, sizeof(si))), sizeof(si));
	KT_EQ(si.ssi_signo, sig);
	KT_EQ(si.ssi_pid, getpid());
	KT_EQ(si.ssi_int, value);
}

int main(void)
{
	struct signalfd_siginfo si;
	sigset_t set, all;
	int fd;

	sigfillset(&all);
	KT_SYS(sigprocmask(SIG_SETMASK, &all, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 1);
	fd = KT_SYS(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	KT_SYS(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 5}));
	KT_SYS(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 6})); /* not in its mask */
	kt_ready_and_wait();
	expect(fd, SIGUSR1, 5);
	KT_ERR(read(fd, &si, sizeof(si)), EAGAIN);
	KT_SYS(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 7}));
	expect(fd, SIGRTMIN + 1, 7);
	KT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	kt_pass();
}
