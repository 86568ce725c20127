/* N idle children of one process. usage: tree N READY-FILE
 * The yardstick: with "-" for READY-FILE it forks and reaps N children and ends. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "workload.h"

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0;
	int stay = n && strcmp(argv[2], "-") != 0;

	if (n < 1) {
		fprintf(stderr, "usage: tree N READY-FILE\n");
		return 1;
	}
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0) {
			if (!stay)
				_exit(0);
			prctl(PR_SET_PDEATHSIG, 9);
			for (;;)
				pause();
		}
	}
	while (!stay && wait(NULL) > 0)
		n--;
	if (stay)
		ready_and_wait(argv[2]);
	return n != 0;
}
