/* pidspace_exec(): a further process, a child of the monitor, with its stdio here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/orphan.h"
#include "container/reach.h"
#include "container/session.h"

struct watch {
	int sock;
	struct signals signals;
	struct session session;
	struct task_ref ref; /* the process, once started */
	struct control_answer answer;
	bool over;
	int status;
};

/* The process is running: its pidfd and, with a terminal, the master have come. */
static int begin(struct watch *w, const struct control_reply *started, int *fds, size_t n,
		 struct pidspace_error *err)
{
	if (n < 1)
		return error_set(err, -EPROTO, "E_PROTOCOL", "the monitor sent no reference");
	task_ref_take(&w->ref, fds[0], hpid_of(0), vpid_of(started->pid));
	if (n > 1)
		return session_attach(&w->session, fds[1], -1, err);
	return 0;
}

static int hear(struct watch *w, struct pidspace_error *err)
{
	struct control_reply started = {0};
	int fds[CONTROL_FDS];
	size_t n = 0;
	int r = control_answer(w->sock, &w->answer, &started, fds, &n);

	if (r == 0 && started.type == CONTROL_STARTED)
		return begin(w, &started, fds, n, err);
	if (r == 1) {
		w->over = true;
		w->status = w->answer.done.wait_status;
		if (w->answer.done.error.status < 0 && err)
			*err = w->answer.done.error;
		return w->answer.done.error.status;
	}
	/* The monitor died. The process has not: it is watched by its pidfd from now on. */
	if (r == -EPIPE && w->ref.pidfd >= 0) {
		fd_closep(&w->sock);
		return 0;
	}
	return r < 0 ? error_set(err, r, "E_MONITOR", "the container's monitor died") : 0;
}

static void pass_signals(struct watch *w)
{
	int sig;

	while ((sig = signals_next(&w->signals)) > 0) {
		if (sig == SIGWINCH && w->session.terminal)
			session_resize(&w->session);
		else if (signals_pass_on(sig))
			task_ref_kill(&w->ref, sig);
	}
}

static int step(struct watch *w, struct pidspace_error *err)
{
	size_t n = 3, room = n + 2 * w->session.relay.channels.n;
	struct pollfd p[3 + 2 * 4];
	int r = 0;

	if (room > sizeof p / sizeof *p)
		return error_sys(err, -E2BIG, "cannot watch the process");
	p[0] = (struct pollfd){.fd = w->sock, .events = POLLIN};
	p[1] = (struct pollfd){.fd = w->signals.fd, .events = POLLIN};
	p[2] = (struct pollfd){.fd = w->sock < 0 ? w->ref.pidfd : -1, .events = POLLIN};
	n += relay_poll(&w->session.relay, p + n);
	if (poll(p, n, -1) < 0)
		return errno == EINTR ? 0 : error_sys(err, -errno, "cannot wait for the process");
	if (p[1].revents)
		pass_signals(w);
	relay_handle(&w->session.relay, p + 3, n - 3);
	if (p[0].revents)
		r = hear(w, err);
	if (p[2].revents) {
		w->over = true;
		w->status = orphan_status(&w->ref);
	}
	return r;
}

static int ask(struct watch *w, const struct pidspace_exec *o, struct pidspace_error *err)
{
	struct control_request q = {.type = CONTROL_EXEC, .detach = o->detach, .terminal = o->terminal};
	int inner[3] = {-1, -1, -1}, r = 0;
	bool piped = !o->detach && !o->terminal;
	struct winsize size = session_size(o->stdio);

	q.rows = size.ws_row;
	q.cols = size.ws_col;
	if (!o->detach)
		r = session_open(&w->session, o->stdio, o->terminal, inner, err);
	if (r < 0)
		return r;
	for (int i = 0; i < 3 && piped; i++)
		if (inner[i] < 0)
			inner[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	r = control_ask(w->sock, &q, o->argv, o->env ? o->env : environ, NULL, o->cwd, inner,
			piped ? 3 : 0);
	for (int i = 0; i < 3; i++)
		fd_closep(&inner[i]);
	return r < 0 ? error_sys(err, r, "cannot ask the monitor of container %s", o->name) : 0;
}

int pidspace_exec(struct pidspace *p, const struct pidspace_exec *o, pid_t *ret_pid,
		  int *ret_status, struct pidspace_error *err)
{
	struct watch w = {.sock = -1, .signals.fd = -1, .ref = TASK_REF_EMPTY};
	int r;

	if (!o->argv || !o->argv[0])
		return error_set(err, -EINVAL, "E_EXEC", "no command was given");
	session_init(&w.session);
	r = reach_monitor(p, o->name, &w.sock, err);
	if (r >= 0)
		r = ask(&w, o, err);
	if (r >= 0)
		r = signals_open(&w.signals, err);
	while (r >= 0 && !w.over)
		r = step(&w, err);
	session_close(&w.session);
	signals_close(&w.signals);
	if (r >= 0 && ret_pid)
		*ret_pid = w.ref.pid.n;
	if (r >= 0 && ret_status && !o->detach)
		*ret_status = w.status;
	task_ref_done(&w.ref);
	fd_closep(&w.sock);
	free(w.answer.refusals);
	return r;
}
