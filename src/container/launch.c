#include "container/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/pid1.h"
#include "kernel/sys.h"
#include "space/report.h"

int launch_prepare(struct launch *l, int *ret_ours, struct pidspace_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, -errno, "cannot make a socket pair");
	*ret_ours = pair[0];
	l->status = pair[1];
	return 0;
}

/* Out of the way of 0 1 2. */
static int lift(int fd)
{
	return fd >= 0 && fd < 3 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

static int open_terminal(struct launch *l, struct pidspace_error *err)
{
	int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0) /* the host's own: its ptmx is only opened by this name */
		master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || unlockpt(master) < 0)
		return error_sys(err, -errno, "cannot make a terminal in the container");
	/* With O_CLOEXEC the description itself would keep that flag, and fdinfo show it for every
	 * descriptor of it (ptm_open_peer(), dentry_open()). */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (slave < 0)
		return error_sys(err, -errno, "cannot open the container's terminal");
	fcntl(slave, F_SETFD, FD_CLOEXEC);
	if (l->size.ws_row)
		ioctl(slave, TIOCSWINSZ, &l->size);
	/* with an init it is the command's, and stealing it from pid 1 would take a privilege */
	if (!l->init_wrapper && ioctl(slave, TIOCSCTTY, 0) < 0)
		return error_sys(err, -errno, "cannot make it the controlling terminal");
	if (report_send(l->status, REPORT_READY, hpid_of(0), &master, 1) < 0)
		_exit(127);
	close(master);
	for (int i = 0; i < 3; i++)
		l->stdio[i] = slave;
	return 0;
}

static int connect_stdio(struct launch *l, struct pidspace_error *err)
{
	int null = -1;

	for (int i = 0; i < 3; i++)
		l->stdio[i] = lift(l->stdio[i]);
	for (int i = 0; i < 3; i++) {
		if (l->stdio[i] < 0 && null < 0)
			null = lift(open("/dev/null", O_RDWR | O_CLOEXEC));
		if (dup2(l->stdio[i] < 0 ? null : l->stdio[i], i) < 0)
			return error_sys(err, -errno, "cannot connect descriptor %d", i);
	}
	return 0;
}

/* Ignored signals and the mask survive an exec (execve(2)), so they go now. */
static void clean_signals(void)
{
	sigset_t none;

	sys_signals_default();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void execute(const struct launch *l)
{
	struct pidspace_error err = {0};

	clean_signals();
	/* execvp(3) searches the PATH of environ, and it is the container's that counts */
	environ = (char **)l->env;
	execvp(l->argv[0], l->argv);
	error_set(&err, -errno, "E_EXEC", "cannot execute %s: %s%s", l->argv[0], strerror(errno),
		  errno == ENOENT && !strchr(l->argv[0], '/') ? " in the container's PATH" : "");
	report_fail(l->status, &err);
}

static int execute_second(void *arg)
{
	struct launch *l = arg;

	/* The session and its terminal belong to the command, so that job control works as without
	 * an init. */
	setsid();
	if (l->terminal)
		ioctl(0, TIOCSCTTY, 0);
	execute(l);
}

int launch_first(void *arg)
{
	struct launch *l = arg;
	struct pidspace_error err = {0};
	int r;

	l->status = lift(l->status);
	/* init's session is its parent's until now: number 0 when seen from inside */
	setsid();
	r = l->terminal ? open_terminal(l, &err) : 0;
	if (r >= 0)
		r = connect_stdio(l, &err);
	if (r >= 0 && l->cwd && chdir(l->cwd) < 0)
		r = error_set(&err, -errno, "E_CWD", "cannot change to the working directory %s: %s",
			      l->cwd, strerror(errno));
	if (r < 0)
		report_fail(l->status, &err);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (l->init_wrapper)
		return pid1_run(execute_second, l);
	execute(l);
}

int launch_await(int ours, int *ret_master, struct pidspace_error *err)
{
	*ret_master = -1;
	for (;;) {
		int fds[REPORT_FDS], r;
		struct report m;
		size_t n;

		r = report_receive(ours, &m, fds, &n);
		if (r == -EPIPE) /* closed by the exec */
			return 0;
		if (r < 0)
			r = error_sys(err, r, "cannot hear from the new process");
		if (r >= 0 && m.type == REPORT_FAILED) {
			if (err)
				*err = m.error;
			r = m.error.status;
		}
		if (r < 0) {
			fd_closep(ret_master);
			return r;
		}
		if (m.type == REPORT_READY && n > 0)
			*ret_master = fds[0];
	}
}
