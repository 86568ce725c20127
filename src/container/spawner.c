#include "container/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"
#include "container/control.h"
#include "kernel/sys.h"

/* --- inside: every number is the container's --- */

struct job {
	pid_t pid;
	int connection;
};

struct spawner {
	int listen_fd, warden, signals;
	VEC(struct job) jobs;
};

static void start_job(struct spawner *s, int connection)
{
	struct control_message q;
	struct control_reply started = {.type = CONTROL_STARTED};
	struct job *j;
	int pidfd;

	if (control_hear(connection, &q) < 0 || q.n_fds < 4 || !(j = vec_push(&s->jobs))) {
		close(connection);
		return;
	}
	*j = (struct job){.pid = fork(), .connection = connection};
	if (j->pid == 0) {
		struct launch l = {.argv = q.argv, .env = q.env, .terminal = q.head.terminal,
				   .size = {.ws_row = q.head.rows, .ws_col = q.head.cols},
				   .cwd = *q.cwd ? q.cwd : NULL, .stdio = {q.fds[0], q.fds[1], q.fds[2]},
				   .status = q.fds[3]};
		_exit(launch_first(&l));
	}
	pidfd = j->pid < 0 ? -1 : sys_pidfd_open(j->pid, 0);
	started.pid = j->pid;
	control_reply(connection, &started, &pidfd, pidfd >= 0 ? 1 : 0);
	fd_closep(&pidfd);
	control_message_done(&q);
}

static void end_jobs(struct spawner *s)
{
	struct control_reply done = {.type = CONTROL_DONE};
	pid_t pid;

	while ((pid = waitpid(-1, &done.wait_status, WNOHANG)) > 0)
		for (size_t i = 0; i < s->jobs.n; i++) {
			struct job *j = &s->jobs.at[i];
			if (j->pid != pid)
				continue;
			control_reply(j->connection, &done, NULL, 0);
			close(j->connection);
			*j = s->jobs.at[--s->jobs.n];
			break;
		}
}

/* Without its warden the container cannot go on, and nothing of it may be left to the host. Those that are just being born
 * are met in the next round. */
static void end_all(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; i < 1000 && (kill(-1, SIGKILL) == 0 || errno != ESRCH); i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		nanosleep(&ms, NULL);
	}
}

/* What vpid 1 was given would be kept open here. */
static void keep_only(struct spawner *s, int listen_fd, int warden)
{
	int high[2] = {fcntl(listen_fd, F_DUPFD_CLOEXEC, 10), fcntl(warden, F_DUPFD_CLOEXEC, 10)};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	s->listen_fd = dup3(high[0], 3, O_CLOEXEC);
	s->warden = dup3(high[1], 4, O_CLOEXEC);
	close_range(5, ~0U, 0);
}

void spawner_run(void *arg, int warden)
{
	struct spawner s = {0};
	sigset_t set;

	keep_only(&s, *(int *)arg, warden);
	sys_signals_default();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		struct pollfd p[] = {{.fd = s.listen_fd, .events = POLLIN},
				     {.fd = s.signals, .events = POLLIN},
				     {.fd = s.warden, .events = POLLIN}};
		struct signalfd_siginfo si;

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return;
		if (p[2].revents) {
			end_all();
			return;
		}
		if (p[1].revents && read(s.signals, &si, sizeof si) == sizeof si)
			end_jobs(&s);
		if (p[0].revents) {
			int c = accept4(s.listen_fd, NULL, NULL, SOCK_CLOEXEC);
			if (c >= 0 && control_peer_allowed(c))
				start_job(&s, c);
			else if (c >= 0)
				close(c);
		}
	}
}

/* --- outside --- */

int spawner_listen(int dir_fd)
{
	return control_listen_at(dir_fd, "spawn.sock");
}

static int ask(int sock, const struct launch *l)
{
	struct control_request q = {.type = CONTROL_EXEC, .terminal = l->terminal, .rows = l->size.ws_row,
				    .cols = l->size.ws_col};
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[4];

	for (int i = 0; i < 3; i++)
		fds[i] = l->stdio[i] >= 0 ? l->stdio[i] : null;
	fds[3] = l->status;
	return control_ask(sock, &q, l->argv, l->env, NULL, l->cwd, fds, 4);
}

static int hear_start(int sock, struct task_ref *ret)
{
	struct control_answer a = {0};
	struct control_reply started = {0};
	int fds[CONTROL_FDS];
	size_t n = 0;
	int r = control_answer(sock, &a, &started, fds, &n);

	if (r < 0)
		return r;
	if (started.type != CONTROL_STARTED || started.pid < 0 || n < 1)
		return started.pid < 0 ? -EAGAIN : -EPROTO;
	task_ref_take(ret, fds[0], hpid_of(0), vpid_of(started.pid));
	return 0;
}

int spawner_start(struct entry *e, struct launch *l, int *ret_connection, struct task_ref *ret, int *ret_master,
		  struct pidspace_error *err)
{
	_cleanup_close_ int ours = -1, sock = entry_connect_to(e, "spawn.sock");
	int r;

	if (sock < 0)
		return error_set(err, sock, "E_SPAWNER", "container %s has nobody who starts further processes: its "
				 "spawner is gone", e->record.name);
	r = launch_prepare(l, &ours, err);
	if (r < 0)
		return r;
	r = ask(sock, l);
	if (r >= 0)
		r = hear_start(sock, ret);
	close(l->status);
	if (r < 0)
		return error_sys(err, r, "cannot start a process in container %s", e->record.name);
	r = launch_await(ours, ret_master, err);
	if (r < 0) {
		task_ref_kill(ret, SIGKILL);
		spawner_await(sock);
		task_ref_done(ret);
		return r;
	}
	*ret_connection = fd_take(&sock);
	return 0;
}

int spawner_await(int connection)
{
	struct control_answer a = {0};

	/* It ends only when the whole container is killed. */
	return control_answer(connection, &a, NULL, NULL, NULL) == 1 ? a.done.wait_status : SIGKILL;
}
