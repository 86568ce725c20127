/* A short-lived process of the container with a chosen pid, for objects that remember their maker. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"

struct errand {
	int (*fn)(void *arg, int *ret_fds);
	void *arg;
	size_t n;
	int sock;
};

/* In the container: does what is asked and sends the descriptors home with the result. */
static _Noreturn void run_errand(const struct errand *a)
{
	int fds[64], r = a->fn(a->arg, fds);

	_exit(fd_send_fds(a->sock, &r, sizeof r, fds, r < 0 ? 0 : a->n) < 0);
}

static _Noreturn void enter_and_fork(const struct space *s, struct vpid pid, const struct errand *a)
{
	pid_t want = pid.n, child;
	struct sys_clone_args c = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)&want, .set_tid_size = 1};
	int r = 0;

	if (s->userns_fd >= 0 && setns(s->userns_fd, CLONE_NEWUSER) < 0)
		r = -errno;
	if (r == 0 && setns(s->pidns_fd, CLONE_NEWPID) < 0)
		r = -errno;
	child = r < 0 ? r : sys_clone3(&c);
	if (child == 0)
		run_errand(a);
	if (child < 0)
		fd_send_fds(a->sock, &child, sizeof child, NULL, 0);
	else
		waitpid(child, NULL, __WALL);
	_exit(0);
}

int restore_as_pid(struct restore *r, struct vpid pid, int (*fn)(void *arg, int *ret_fds), void *arg,
		   int *ret_fds, size_t n, struct pidspace_error *err)
{
	int sock[2], result = -EIO;
	size_t got = 0;

	if (n > 64 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, n > 64 ? -EINVAL : -errno, "cannot make a socket");
	struct errand a = {fn, arg, n, sock[1]};
	pid_t child = fork();
	if (child == 0)
		enter_and_fork(r->space, pid, &a);
	close(sock[1]);
	ssize_t k = child < 0 ? -errno : fd_recv_fds(sock[0], &result, sizeof result, ret_fds, n, &got);
	close(sock[0]);
	if (child > 0)
		waitpid(child, NULL, __WALL);
	if (k != sizeof result)
		result = k < 0 ? (int)k : -EIO;
	else if (result >= 0 && got != n)
		result = -EIO;
	if (result < 0)
		return error_sys(err, result, "cannot act as process %d of the container", pid.n);
	return 0;
}

int restore_init_socketpair(struct restore *r, int type, int ret_fds[2])
{
	struct tracee *t = &r->engine->at[0].t;
	struct batch b = {};
	size_t at = batch_out(&b, 2 * sizeof(int));
	int theirs[2] = {-1, -1}, e;

	BATCH_CALL(&b, "socketpair", SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, BATCH_DATA(at));
	e = batch_run(t, &b, NULL);
	if (e == 0)
		memcpy(theirs, batch_bytes(&b, at), sizeof theirs);
	batch_done(&b);
	for (int i = 0; i < 2 && e == 0; i++) {
		ret_fds[i] = sys_pidfd_getfd(r->space->init.pidfd, theirs[i]);
		e = ret_fds[i] < 0 ? ret_fds[i] : 0;
	}
	if (theirs[0] >= 0) {
		batch_reset(&b);
		BATCH_CALL(&b, "close", SYS_close, theirs[0]);
		BATCH_CALL(&b, "close", SYS_close, theirs[1]);
		batch_run(t, &b, NULL);
		batch_done(&b);
	}
	return e;
}
