/* Reaching a container that already runs. */
#include "space/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "space/report.h"
#include "space/surroundings.h"

void space_done(struct space *s)
{
	task_ref_done(&s->init);
	fd_closep(&s->proc_fd);
	fd_closep(&s->pidns_fd);
	fd_closep(&s->userns_fd);
	s->pidns_ino = 0;
}

static pid_t clone_helper(uint64_t flags, int exit_signal)
{
	struct sys_clone_args args = {.flags = flags, .exit_signal = (uint64_t)exit_signal};

	return sys_clone3(&args);
}

static void reap(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/* Enters the namespaces of the process behind pidfd: only children are then in its PID
 * namespace (setns(2)). A kernel without time namespaces answers EINVAL. */
static int enter(const struct space *s, int extra, struct pidspace_error *err)
{
	int flags = CLONE_NEWPID | CLONE_NEWNS | extra | (s->userns_fd >= 0 ? CLONE_NEWUSER : 0);

	if (setns(s->init.pidfd, flags) == 0)
		return 0;
	if (errno == EINVAL && (extra & SYS_CLONE_NEWTIME) &&
	    setns(s->init.pidfd, flags & ~SYS_CLONE_NEWTIME) == 0)
		return 0;
	return error_sys(err, -errno, "cannot enter the container's namespaces");
}

/* Is this a procfs of the container's PID namespace? */
static bool proc_is_of(const struct space *s, int fd)
{
	struct stat st;

	return fd >= 0 && fstatat(fd, "1/ns/pid", &st, 0) == 0 && st.st_ino == s->pidns_ino;
}

/* The container has made its own /proc unusable: a new one can only be made by a process inside. */
static int new_proc_inside(int sock)
{
	pid_t inner = clone_helper(0, SIGCHLD);

	if (inner == 0) {
		int fd = surroundings_new_proc();

		_exit(fd < 0 || report_send(sock, REPORT_READY, hpid_of(0), &fd, 1) < 0 ? -fd : 0);
	}
	if (inner > 0) {
		int status = 0;

		waitpid(inner, &status, __WALL);
		return WIFEXITED(status) ? -WEXITSTATUS(status) : -ESRCH;
	}
	return inner;
}

/* In a short-lived child. It stays out of the PID namespace as long as the container's own /proc
 * will do: an adoption then uses up none of its numbers, and a checkpoint meets no stranger. */
static _Noreturn void run_proc_helper(const struct space *s, int sock)
{
	struct pidspace_error err = {0};
	int fd, r;

	if (enter(s, 0, &err) < 0)
		report_fail(sock, &err);
	fd = surroundings_detach("/proc");
	if (proc_is_of(s, fd))
		_exit(report_send(sock, REPORT_READY, hpid_of(0), &fd, 1) < 0);
	r = new_proc_inside(sock);
	if (r < 0) {
		error_sys(&err, r, "cannot mount a procfs of the container");
		report_fail(sock, &err);
	}
	_exit(0);
}

static int fetch_proc(struct space *s, struct pidspace_error *err)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], fds[REPORT_FDS], r;
	struct report m;
	size_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = clone_helper(0, SIGCHLD);
	if (pid == 0)
		run_proc_helper(s, theirs);
	if (pid < 0)
		return error_sys(err, pid, "cannot fork");
	close(fd_take(&theirs));
	r = report_receive(ours, &m, fds, &n);
	reap(pid);
	if (r < 0)
		return error_set(err, -ESRCH, "E_STOPPED", "the container ended meanwhile");
	if (m.type == REPORT_FAILED) {
		if (err)
			*err = m.error;
		return m.error.status;
	}
	s->proc_fd = n > 0 ? fds[0] : -1;
	return s->proc_fd < 0 ? error_sys(err, -EBADF, "cannot open the container's /proc") : 0;
}

static int open_ns(struct hpid host, const char *which, struct stat *ret_st)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/ns/%s", host.n, which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	fstat(fd, ret_st);
	return fd;
}

int space_attach(struct space *ret, struct hpid init, struct pidspace_error *err)
{
	struct space s = {.init = TASK_REF_EMPTY, .proc_fd = -1, .pidns_fd = -1, .userns_fd = -1};
	struct stat pid_st = {0}, user_st = {0}, own_st = {0};
	int r = task_ref_open(&s.init, init, vpid_of(1));

	if (r >= 0)
		s.pidns_fd = r = open_ns(init, "pid", &pid_st);
	if (r >= 0)
		s.userns_fd = r = open_ns(init, "user", &user_st);
	/* Opened by number: it was that process as long as it has not been reaped since. */
	if (r >= 0)
		r = task_ref_kill(&s.init, 0);
	if (r >= 0 && !task_ref_alive(&s.init))
		r = -ESRCH;
	if (r < 0) {
		space_done(&s);
		return r == -ESRCH ? error_set(err, r, "E_STOPPED", "process %d is gone", init.n)
				   : error_sys(err, r, "cannot reach process %d", init.n);
	}
	if (stat("/proc/self/ns/user", &own_st) == 0 && own_st.st_ino == user_st.st_ino)
		fd_closep(&s.userns_fd);
	s.pidns_ino = pid_st.st_ino;
	*ret = s;
	return 0;
}

int space_adopt(struct space *ret, struct hpid init, struct pidspace_error *err)
{
	struct space s;
	int r = space_attach(&s, init, err);

	if (r < 0)
		return r;
	r = fetch_proc(&s, err);
	if (r < 0) {
		space_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

/* In a short-lived child of the caller: clones a sibling of itself inside. */
static _Noreturn void run_enter_helper(const struct space *s, int sock, int (*first)(void *arg),
				       void *arg)
{
	struct pidspace_error err = {0};
	pid_t pid;

	if (enter(s, CLONE_NEWIPC | CLONE_NEWUTS | SYS_CLONE_NEWTIME, &err) < 0)
		report_fail(sock, &err);
	pid = clone_helper(CLONE_PARENT, 0);
	if (pid == 0) {
		close(sock);
		_exit(first(arg));
	}
	if (pid < 0) {
		error_sys(&err, pid, "cannot start a process in the container");
		report_fail(sock, &err);
	}
	report_send(sock, REPORT_BORN, hpid_of(pid), NULL, 0);
	_exit(0);
}

int space_enter(const struct space *s, int (*first)(void *arg), void *arg, struct task_ref *ret,
		struct pidspace_error *err)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], fds[REPORT_FDS], r;
	struct vpid inside = {0};
	struct report m;
	size_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = clone_helper(0, SIGCHLD);
	if (pid == 0)
		run_enter_helper(s, theirs, first, arg);
	if (pid < 0)
		return error_sys(err, pid, "cannot fork");
	close(fd_take(&theirs));
	r = report_receive(ours, &m, fds, &n);
	reap(pid);
	if (r < 0)
		return error_set(err, -ESRCH, "E_STOPPED", "the container ended meanwhile");
	if (m.type == REPORT_FAILED) {
		if (err)
			*err = m.error;
		return m.error.status;
	}
	/* Our child: its number is its own until we reap it, a zombie included. */
	space_to_guest(s, m.host, &inside);
	r = task_ref_open(ret, m.host, inside);
	if (r < 0) {
		kill(m.host.n, SIGKILL);
		reap(m.host.n);
		return error_sys(err, r, "cannot refer to the new process");
	}
	return 0;
}
