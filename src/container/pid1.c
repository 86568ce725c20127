#include "container/pid1.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/sys.h"

/* Nothing of the outside may stay open here: an end of a pipe in pid 1 would keep it from ever
 * reaching end of file. */
static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	close_range(3, ~0U, 0);
	prctl(PR_SET_NAME, "pidspace-init");
}

/* A signal with its default action never ends pid 1 (kernel/signal.c, SIGNAL_UNKILLABLE), so a
 * command that was killed is told of as shells do: 128 and the signal. */
static int reap(pid_t command)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == command)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return -1;
}

int pid1_run(int (*command)(void *arg), void *arg)
{
	sigset_t all;
	pid_t child;
	int status;

	sys_signals_default();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	child = fork();
	if (child == 0)
		_exit(command(arg));
	let_go();
	if (child < 0)
		return 127;
	while ((status = reap(child)) < 0) {
		int sig = sigwaitinfo(&all, NULL);

		if (sig > 0 && sig != SIGCHLD)
			kill(child, sig);
	}
	return status;
}
