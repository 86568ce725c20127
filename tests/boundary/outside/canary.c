/* A process outside of all containers, of the same user, that says which signals reach it: "ready", then a line "SIGNAL PID" for
 * each. SIGTERM of its parent ends it. What cannot be blocked ends or stops it, and its parent sees that. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
	sigset_t all;
	siginfo_t si;
	pid_t parent = getppid();

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	printf("ready\n");
	for (;;) {
		fflush(stdout);
		if (sigwaitinfo(&all, &si) < 0)
			continue;
		if (si.si_signo == SIGTERM && si.si_pid == parent)
			return 0;
		printf("signal %d of %d\n", si.si_signo, si.si_pid);
	}
}
