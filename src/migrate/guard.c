#include "migrate/guard.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"

/* System calls only: the caller may have threads, whose locks are in any state here. */
static _Noreturn void watch(int server, int init, int log_fd, const char *why)
{
	struct pollfd p[] = {{.fd = server, .events = POLLIN}, {.fd = init, .events = POLLIN}};

	prctl(PR_SET_NAME, "pidspace-guard");
	while (poll(p, 2, -1) < 0 || !(p[0].revents || p[1].revents))
		;
	if (!p[1].revents) {
		if (log_fd >= 0)
			fd_write_all(log_fd, why, strlen(why));
		sys_pidfd_send_signal(init, SIGKILL);
		while (poll(&p[1], 1, -1) < 0 || !p[1].revents)
			;
	}
	_exit(0);
}

int guard_start(struct guard *ret, int server, int init, int log_fd, const char *why)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		watch(server, init, log_fd, why);
	if (pid < 0)
		return -errno;
	ret->pid = pid;
	ret->pidfd = sys_pidfd_open(pid, 0);
	return ret->pidfd < 0 ? ret->pidfd : 0;
}

void guard_dismiss(struct guard *g)
{
	if (g->pid > 0) {
		kill(g->pid, SIGKILL); /* our child, not reaped yet: the number is its own */
		waitpid(g->pid, NULL, 0);
	}
	fd_closep(&g->pidfd);
	g->pid = 0;
}
