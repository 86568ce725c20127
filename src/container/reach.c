#include "container/reach.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/daemon.h"
#include "container/monitor.h"

struct adoption {
	struct pidspace *registry;
	const char *name;
};

static int adopt(struct monitor *m, struct pidspace_error *err)
{
	struct record *r = &m->entry->record;
	int e = entry_lock(m->entry);

	if (e < 0)
		return error_sys(err, e, "cannot become the monitor of container %s", r->name);
	e = entry_pids(m->entry, &m->pids, err);
	if (e >= 0)
		e = monitor_open(m, err);
	if (e >= 0 && r->detached) {
		e = monitor_open_log(m, err);
		monitor_add_external(m, "log", m->log_fd);
	}
	/* What its predecessor had stopped went on when that died. */
	if (e >= 0 && r->state == PIDSPACE_PAUSED) {
		r->state = PIDSPACE_RUNNING;
		e = entry_save(m->entry, err);
	}
	return e;
}

static void run_adopted(void *arg, int sock)
{
	const struct adoption *a = arg;
	struct pidspace_error err = {0};
	struct monitor m;
	struct entry *e;
	int r = entry_open(a->registry, a->name, &e, &err);

	if (r >= 0) {
		monitor_init(&m, e);
		r = adopt(&m, &err);
	}
	control_done(sock, r, &err);
	close(sock);
	if (r < 0)
		return;
	if (chdir("/") == 0)
		monitor_run(&m);
}

static int start_monitor(struct pidspace *p, const char *name, struct pidspace_error *err)
{
	struct adoption a = {p, name};
	struct control_answer answer = {0};

	return daemon_start(run_adopted, &a, &p->dir_fd, 1, &answer, err);
}

int reach_monitor(struct pidspace *p, const char *name, int *ret_sock, struct pidspace_error *err)
{
	/* A monitor that is dying or only just starting is met for moments: 5 s are plenty. */
	for (int i = 0; i < 500; i++) {
		struct entry *e;
		int sock, r = entry_open(p, name, &e, err);

		if (r == -EAGAIN) { /* its creator has not finished */
			poll(NULL, 0, 10);
			continue;
		}
		if (r < 0)
			return r;
		sock = e->record.state == PIDSPACE_STOPPED ? -ESRCH : entry_connect(e);
		entry_free(e);
		if (sock == -ESRCH)
			return error_set(err, sock, "E_STOPPED", "container %s has ended", name);
		if (sock >= 0) {
			*ret_sock = sock;
			return 0;
		}
		if (sock != -ECONNREFUSED)
			return error_sys(err, sock, "cannot connect to the monitor of container %s", name);
		r = start_monitor(p, name, err);
		if (r == -EWOULDBLOCK)
			poll(NULL, 0, 10);
		else if (r < 0)
			return r;
	}
	return error_set(err, -ETIMEDOUT, "E_MONITOR", "the monitor of container %s does not answer", name);
}

int reach_ask(struct pidspace *p, const char *name, struct control_request *q,
	      struct control_answer *a, struct pidspace_error *err)
{
	_cleanup_close_ int sock = -1;
	int r = reach_monitor(p, name, &sock, err);

	if (r < 0)
		return r;
	r = control_ask(sock, q, NULL, NULL, NULL, NULL, NULL, 0);
	if (r < 0)
		return error_sys(err, r, "cannot ask the monitor of container %s", name);
	return control_converse(sock, a, "the container's monitor died before it answered", err);
}
