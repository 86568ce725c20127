/* Signals, pause, the end and what is left after it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"
#include "container/reach.h"

/* --- kill --- */

static int kill_one(const struct entry *e, const struct pids *p, struct vpid pid, int sig,
		    struct pidspace_error *err)
{
	struct task_ref ref;
	int r = pids_ref(p, pid, &ref);

	if (r >= 0) {
		r = task_ref_kill(&ref, sig);
		task_ref_done(&ref);
	}
	if (r == -ESRCH)
		return error_set(err, r, "E_NO_SUCH_PID", "container %s has no process %d",
				 e->record.name, pid.n);
	return r < 0 ? error_sys(err, r, "cannot signal %s:%d", e->record.name, pid.n) : 0;
}

struct sweep {
	const struct entry *e;
	const struct pids *p;
	int sig, n; /* signalled in this look */
	VEC(pid_t) seen;
};

static int signal_new(void *arg, struct vpid pid)
{
	struct sweep *w = arg;
	pid_t *at;

	if (pid.n <= 1) /* init last: its death would take the others along with SIGKILL */
		return 0;
	vec_each(s, &w->seen)
		if (*s == pid.n)
			return 0;
	at = vec_push(&w->seen);
	if (!at)
		return -ENOMEM;
	*at = pid.n;
	w->n += kill_one(w->e, w->p, pid, w->sig, NULL) == 0;
	return 0;
}

/* Processes may fork meanwhile, so it looks again until it finds no new one. */
static int kill_all(struct entry *e, int sig, struct pidspace_error *err)
{
	struct pids p;
	struct sweep w = {.e = e, .p = &p, .sig = sig};
	int r = entry_pids(e, &p, err);

	if (r < 0)
		return r;
	for (int i = 0; i < 100; i++) {
		w.n = 0;
		r = pids_each(&p, signal_new, &w);
		if (r < 0 || w.n == 0)
			break;
	}
	if (r >= 0)
		r = task_ref_kill(pids_init(&p), sig);
	/* without its children it may have ended by itself already */
	if (r == -ESRCH && w.seen.n)
		r = 0;
	vec_free(&w.seen);
	pids_done(&p);
	return r < 0 ? error_sys(err, r, "cannot signal all of container %s", e->record.name) : 0;
}

static int kill_some(struct entry *e, int sig, const pid_t *pids, size_t n, struct pidspace_error *err)
{
	struct pids p;
	int r = entry_attach(e, &p, err), first = 0;

	if (r < 0)
		return r;
	if (n == 0) {
		first = task_ref_kill(pids_init(&p), sig);
		if (first < 0)
			error_sys(err, first, "cannot signal container %s", e->record.name);
	}
	for (size_t i = 0; i < n; i++) {
		r = kill_one(e, &p, vpid_of(pids[i]), sig, first < 0 ? NULL : err);
		first = first < 0 ? first : r;
	}
	pids_done(&p);
	return first;
}

int pidspace_kill(struct pidspace *p, const char *name, int sig, const pid_t *pids, size_t n,
		  bool all, struct pidspace_error *err)
{
	struct entry *e;
	int r = entry_open(p, name, &e, err);

	if (r < 0)
		return r;
	r = all ? kill_all(e, sig, err) : kill_some(e, sig, pids, n, err);
	entry_free(e);
	return r;
}

/* --- pause --- */

static int simple(struct pidspace *p, const char *name, enum control_type type,
		  struct pidspace_error *err)
{
	struct control_request q = {.type = type};
	struct control_answer a = {0};

	return reach_ask(p, name, &q, &a, err);
}

int pidspace_pause(struct pidspace *p, const char *name, struct pidspace_error *err)
{
	return simple(p, name, CONTROL_PAUSE, err);
}

int pidspace_resume(struct pidspace *p, const char *name, struct pidspace_error *err)
{
	return simple(p, name, CONTROL_RESUME, err);
}

/* --- wait --- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int remaining(int64_t deadline)
{
	int64_t left = deadline - now_ms();

	return deadline < 0 ? -1 : left < 0 ? 0 : (int)left;
}

/* Asks the monitor to say when the end has come. -EPIPE: it died or was already leaving. */
static int await_monitor(int sock, int64_t deadline, int *ret_status, struct pidspace_error *err)
{
	struct control_request q = {.type = CONTROL_WAIT};
	struct control_answer a = {0};
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int r = control_ask(sock, &q, NULL, NULL, NULL, NULL, NULL, 0);

	if (r < 0)
		return r == -ECONNRESET ? -EPIPE : r;
	do
		r = poll(&p, 1, remaining(deadline));
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return error_set(err, -ETIMEDOUT, "E_TIMEOUT", "the container has not ended yet");
	r = control_converse(sock, &a, "", err);
	if (r >= 0)
		*ret_status = a.done.wait_status;
	return r;
}

static int stopped_status(const struct entry *e, int *ret_status, struct pidspace_error *err)
{
	if (e->record.exit_status == -1 && e->record.reason)
		return error_set(err, -ENODATA, "E_STATUS_UNKNOWN", "%s", e->record.reason);
	if (e->record.exit_status == -1)
		return error_set(err, -ENODATA, "E_STATUS_UNKNOWN",
				 "container %s has ended, but nobody watched how", e->record.name);
	*ret_status = e->record.exit_status;
	return 0;
}

int pidspace_wait(struct pidspace *p, const char *name, int timeout_ms, int *ret_status,
		  struct pidspace_error *err)
{
	int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	int status, r;

	/* A monitor that is just leaving closes on us: then the entry knows more. */
	for (int i = 0;; i++) {
		_cleanup_close_ int sock = -1;
		struct entry *e;

		r = entry_open(p, name, &e, err);
		if (r == -EAGAIN && remaining(deadline) != 0) {
			poll(NULL, 0, 10);
			continue;
		}
		if (r < 0)
			return r;
		sock = entry_connect(e);
		if (sock < 0 && e->record.state == PIDSPACE_STOPPED) {
			r = stopped_status(e, &status, err);
			entry_free(e);
			if (r == -ENODATA && i < 3) /* read it again: it may just have been written */
				continue;
			break;
		}
		entry_free(e);
		if (sock < 0) {
			r = reach_monitor(p, name, &sock, err);
			if (r == -ESRCH)
				continue;
			if (r < 0)
				return r;
		}
		r = await_monitor(sock, deadline, &status, err);
		if (r >= 0 && status == -1)
			r = error_set(err, -ENODATA, "E_STATUS_UNKNOWN",
				      "container %s has ended, but nobody watched how", name);
		if (r != -EPIPE)
			break;
		poll(NULL, 0, 5);
	}
	if (r >= 0 && ret_status)
		*ret_status = status;
	return r;
}

/* --- delete, log --- */

/* Its monitor, if there is one, writes the end down first; it is not to find the entry gone. */
static int end_by_force(struct pidspace *p, struct entry *e, struct pidspace_error *err)
{
	struct pidspace_error ignored;
	_cleanup_close_ int sock = entry_connect(e);
	struct pids pids;
	int status, r = entry_attach(e, &pids, err);

	if (r == -ESRCH)
		return 0;
	if (r < 0)
		return r;
	if (sock >= 0) {
		struct control_request q = {.type = CONTROL_WAIT};

		control_ask(sock, &q, NULL, NULL, NULL, NULL, NULL, 0);
	}
	r = task_ref_kill(pids_init(&pids), SIGKILL);
	if (r == 0 || r == -ESRCH)
		r = task_ref_wait_exit(pids_init(&pids), 10000);
	if (r == 0 && pids.kind == PIDSPACE_VIRTUAL) /* it ends the others */
		r = task_ref_wait_exit(&pids.virtual.warden, 10000);
	pids_done(&pids);
	if (r < 0)
		return error_sys(err, r, "cannot end container %s", e->record.name);
	if (sock >= 0) {
		struct pollfd pfd = {.fd = sock, .events = POLLIN};

		if (poll(&pfd, 1, 10000) == 0)
			return error_set(err, -ETIMEDOUT, "E_MONITOR", "the monitor of container %s "
								       "does not answer", e->record.name);
	} else
		pidspace_wait(p, e->record.name, 0, &status, &ignored);
	return 0;
}

int pidspace_delete(struct pidspace *p, const char *name, bool force, struct pidspace_error *err)
{
	struct entry *e;
	int r = entry_open(p, name, &e, err);

	/* An entry whose creator died before it could publish it gives way to a new one: that is then ours. */
	if (r == -EAGAIN && entry_create(p, name, &e, NULL) == 0) {
		r = entry_remove(e);
		entry_free(e);
		return r < 0 ? error_sys(err, r, "cannot delete container %s", name) : 0;
	}
	if (r < 0)
		return r;
	if (e->record.state != PIDSPACE_STOPPED) {
		r = force ? end_by_force(p, e, err)
			  : error_set(err, -EBUSY, "E_RUNNING", "container %s is running: end it first, "
								"or delete it by force (-f)", name);
	}
	if (r >= 0) {
		r = entry_remove(e);
		/* run with remove: its monitor was faster */
		r = r == -ENOENT ? 0 : r < 0 ? error_sys(err, r, "cannot delete container %s", name) : 0;
	}
	entry_free(e);
	return r;
}

int pidspace_log(struct pidspace *p, const char *name, struct pidspace_error *err)
{
	struct entry *e;
	int fd, r = entry_open(p, name, &e, err);

	if (r < 0)
		return r;
	fd = openat(e->dir_fd, "log", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = error_set(err, -errno, "E_NO_LOG", "container %s has no log: it was not detached",
			       name);
	entry_free(e);
	return fd;
}
