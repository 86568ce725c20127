#include "container/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"

static _Noreturn void become(void (*body)(void *, int), void *arg, const int *keep, size_t n, int sock)
{
	int all[16], null;

	if (sock < 3)
		sock = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < n; i++)
		all[i] = keep[i];
	all[n] = sock;
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++) {
		bool kept = false;

		for (size_t k = 0; k < n; k++)
			kept = kept || keep[k] == i;
		if (!kept && null >= 0)
			dup2(null, i);
	}
	fd_close_others(all, n + 1);
	body(arg, sock);
	_exit(0);
}

int daemon_start(void (*body)(void *arg, int sock), void *arg, const int *keep, size_t n_keep,
		 struct control_answer *a, struct pidspace_error *err)
{
	_cleanup_close_ int ours = -1;
	int pair[2];
	pid_t pid;

	if (n_keep > 15)
		return error_sys(err, -EINVAL, "cannot start the monitor");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	pid = fork();
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			become(body, arg, keep, n_keep, pair[1]);
		_exit(pid < 0);
	}
	close(pair[1]);
	if (pid < 0)
		return error_sys(err, -errno, "cannot fork");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return control_converse(ours, a, "the container's monitor died while it started", err);
}
