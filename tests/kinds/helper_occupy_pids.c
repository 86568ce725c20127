/* Takes the given pids of the PID namespace it runs in: one sleeping process each (clone3(2) with
 * set_tid, Linux 5.5). Prints "taken" when every one of them is in use, by itself or by anybody else,
 * and keeps them until it is killed. */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t parent = getpid();

	for (int i = 1; i < argc; i++) {
		pid_t want = (pid_t)atoi(argv[i]);
		struct clone_args a = {
			.exit_signal = SIGCHLD,
			.set_tid = (uintptr_t)&want,
			.set_tid_size = 1,
		};
		long pid = syscall(SYS_clone3, &a, sizeof(a));

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				return 0;
			for (;;)
				pause();
		}
		if (pid < 0 && errno != EEXIST) {
			perror("clone3");
			return 1;
		}
	}
	puts("taken");
	fflush(stdout);
	for (;;)
		pause();
}
