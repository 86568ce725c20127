#include "container/monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/orphan.h"
#include "container/spawner.h"

void monitor_init(struct monitor *m, struct entry *e)
{
	*m = (struct monitor){
		.entry = e,
		.pids = PIDS_EMPTY,
		.signals.fd = -1,
		.listen_fd = -1,
		.log_fd = -1,
		.pages = PAGE_SERVER_NONE,
		.exit_status = -1,
	};
	session_init(&m->session);
}

int monitor_open(struct monitor *m, struct pidspace_error *err)
{
	int r = signals_open(&m->signals, err);

	if (r < 0)
		return r;
	m->listen_fd = control_listen(m->entry->dir_fd);
	if (m->listen_fd < 0)
		return error_sys(err, m->listen_fd, "cannot make %s/%s/control.sock",
				 m->entry->registry->dir, m->entry->record.name);
	return 0;
}

int monitor_open_log(struct monitor *m, struct pidspace_error *err)
{
	m->log_fd = openat(m->entry->dir_fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (m->log_fd < 0)
		return error_sys(err, -errno, "cannot open %s/%s/log", m->entry->registry->dir,
				 m->entry->record.name);
	return 0;
}

int monitor_add_external(struct monitor *m, const char *name, int fd)
{
	struct external *e;
	struct stat st;

	if (fd < 0)
		return 0;
	e = vec_push(&m->externals);
	if (!e || fstat(fd, &st) < 0)
		return e ? -errno : -ENOMEM;
	snprintf(e->name, sizeof e->name, "%s", name);
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	e->fd = -1;
	e->is_stdio = true;
	return 0;
}

/* The container's number of the parent, from /proc/PID/stat; -1: gone. */
static pid_t parent_of(const struct space *s, const char *pid)
{
	_cleanup_free_ char *text = NULL;
	char path[300], *at;
	int parent;

	snprintf(path, sizeof path, "%s/stat", pid);
	if (fd_slurp_at(s->proc_fd, path, &text, NULL) < 0)
		return -1;
	at = strrchr(text, ')');
	return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

int monitor_find_furthers(struct monitor *m)
{
	int fd = openat(m->pids.space.proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return -errno;
	while (r >= 0 && (d = readdir(dir))) {
		struct further *f;
		struct task_ref ref;
		pid_t pid = atoi(d->d_name);

		if (pid <= 1 || parent_of(&m->pids.space, d->d_name) != 0 ||
		    space_ref(&m->pids.space, vpid_of(pid), &ref) < 0)
			continue;
		f = vec_push(&m->furthers);
		if (f)
			*f = (struct further){.ref = ref, .client = -1, .spawner = -1};
		else
			r = -ENOMEM;
	}
	closedir(dir);
	return r;
}

/* --- memory that arrives --- */

static void hear_pages(struct monitor *m)
{
	if (page_server_hear(&m->pages, &m->lost) == 0)
		m->lost = (struct pidspace_error){0};
}

/* Of a monitor that was adopted the server is no child. */
void monitor_await_memory(struct monitor *m)
{
	_cleanup_close_ int server = entry_page_server(m->entry);
	struct pollfd p[] = {{.fd = server, .events = POLLIN}, {.fd = m->pids.space.init.pidfd, .events = POLLIN}};

	while (server >= 0 && !p[0].revents && !p[1].revents)
		poll(p, 2, -1);
	if (m->pages.pid)
		hear_pages(m);
}

/* --- ends --- */

/* The warden says how vpid 1 ended, and goes once nothing is left. Without its word nobody knows, and what it had in its
 * keeping must not go on. */
static int end_of_virtual(struct monitor *m)
{
	struct virtual_pids *v = &m->pids.virtual;
	int status = -1;

	if (m->init_is_child)
		waitpid(v->warden.host.n, NULL, __WALL);
	if (virtual_ended(v, &status))
		return status;
	virtual_kill(v);
	error_set(&m->lost, -ENODATA, "E_WARDEN", "the warden of container %s was killed, and its processes with it: how its "
		  "program would have ended nobody knows", m->entry->record.name);
	return -1;
}

void monitor_let_go(struct monitor *m)
{
	freeze_release(m->frozen);
	m->frozen = NULL;
	virtual_resume(m->held);
	m->held = NULL;
}

bool monitor_is_paused(const struct monitor *m)
{
	return m->frozen || m->held;
}

static void note_end(struct monitor *m)
{
	m->ended = true;
	if (m->pids.kind == PIDSPACE_VIRTUAL)
		m->exit_status = end_of_virtual(m);
	else if (!m->init_is_child)
		m->exit_status = orphan_status(&m->pids.space.init);
	else if (waitpid(m->pids.space.init.host.n, &m->exit_status, __WALL) < 0)
		m->exit_status = -1;
	/* The namespace is empty now; what is stopped under us is dead too. */
	monitor_let_go(m);
}

static int end_of_further(struct further *f)
{
	int status = -1;

	if (f->spawner >= 0)
		return spawner_await(f->spawner);
	return waitpid(f->ref.host.n, &status, __WALL) < 0 ? -1 : status;
}

static void finish_further(struct further *f)
{
	struct control_reply reply = {.type = CONTROL_DONE, .wait_status = end_of_further(f)};

	fd_closep(&f->spawner);
	control_reply(f->client, &reply, NULL, 0);
	fd_closep(&f->client);
	task_ref_done(&f->ref);
}

/* Under ptrace the killed tree cannot be reaped by init, which therefore never becomes a zombie
 * itself (zap_pid_ns_processes() waits): its tracer has to. A dying init has no executable. */
static void look_after_paused(struct monitor *m)
{
	char buf[8];

	if (m->held && virtual_pause_over(m->held))
		monitor_let_go(m);
	if (!m->frozen || readlinkat(m->pids.space.proc_fd, "1/exe", buf, sizeof buf) >= 0)
		return;
	freeze_kill(m->frozen, NULL);
	freeze_release(m->frozen);
	m->frozen = NULL;
}

static void handle_signals(struct monitor *m)
{
	int sig;

	while ((sig = signals_next(&m->signals)) > 0) {
		if (sig == SIGCHLD)
			look_after_paused(m);
		else if (sig == SIGWINCH && m->session.terminal)
			session_resize(&m->session);
		else if (signals_pass_on(sig))
			task_ref_kill(pids_init(&m->pids), sig);
	}
}

/* --- the loop --- */

static void accept_client(struct monitor *m)
{
	int fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval patience = {.tv_sec = 5};
	struct client *c;

	if (fd < 0)
		return;
	/* A command that was stopped (^Z) must not stop the monitor with it. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	c = control_peer_allowed(fd) ? vec_push(&m->clients) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
}

static void hear_client(struct monitor *m, size_t i)
{
	/* The second thing that comes on a connection is its end. */
	if (m->clients.at[i].asked)
		fd_closep(&m->clients.at[i].fd);
	else
		monitor_serve(m, &m->clients.at[i]);
}

static void sweep(struct monitor *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->clients.n; i++)
		if (m->clients.at[i].fd >= 0)
			m->clients.at[n++] = m->clients.at[i];
	m->clients.n = n;
	n = 0;
	for (size_t i = 0; i < m->furthers.n; i++)
		if (m->furthers.at[i].ref.pidfd >= 0)
			m->furthers.at[n++] = m->furthers.at[i];
	m->furthers.n = n;
}

/* Readable when all is over. */
static int end_fd(const struct monitor *m)
{
	return m->pids.kind == PIDSPACE_VIRTUAL ? m->pids.virtual.warden.pidfd : m->pids.space.init.pidfd;
}

static int further_fd(const struct further *f)
{
	return f->spawner >= 0 ? f->spawner : f->ref.pidfd;
}

static int step(struct monitor *m)
{
	size_t n_clients = m->clients.n, n_furthers = m->furthers.n, n = 0, first;
	size_t room = 4 + n_clients + n_furthers + 2 * m->session.relay.channels.n;
	struct pollfd *p = calloc(room, sizeof *p);

	if (!p)
		return -ENOMEM;
	p[n++] = (struct pollfd){.fd = end_fd(m), .events = POLLIN};
	p[n++] = (struct pollfd){.fd = m->signals.fd, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = m->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < n_clients; i++)
		p[n++] = (struct pollfd){.fd = m->clients.at[i].fd, .events = POLLIN};
	for (size_t i = 0; i < n_furthers; i++)
		p[n++] = (struct pollfd){.fd = further_fd(&m->furthers.at[i]), .events = POLLIN};
	first = n;
	n += relay_poll(&m->session.relay, p + n);
	p[n] = (struct pollfd){.fd = m->pages.sock, .events = POLLIN};
	if (poll(p, n + 1, -1) < 0) {
		free(p);
		return errno == EINTR ? 0 : -errno;
	}
	if (p[1].revents)
		handle_signals(m);
	if (p[n].revents && m->pages.pid)
		hear_pages(m);
	relay_handle(&m->session.relay, p + first, n - first);
	for (size_t i = 0; i < n_furthers; i++)
		if (p[3 + n_clients + i].revents)
			finish_further(&m->furthers.at[i]);
	for (size_t i = 0; i < n_clients && !m->ended; i++)
		if (p[3 + i].revents)
			hear_client(m, i);
	if (p[2].revents && !m->ended)
		accept_client(m);
	if (p[0].revents && !m->ended)
		note_end(m);
	sweep(m);
	free(p);
	return 0;
}

/* Those that wait for the end hear of it after the entry is settled. */
static void dismiss(struct monitor *m)
{
	struct pidspace_error err;
	struct control_reply reply = {.type = CONTROL_DONE, .wait_status = m->exit_status};
	int fd;

	if (m->checkpointed) {
		error_set(&err, -ECANCELED, "E_CHECKPOINTED", "container %s was checkpointed away",
			  m->entry->record.name);
		reply.error = err;
	}
	vec_each(f, &m->furthers) {
		reply.wait_status = end_of_further(f);
		control_reply(f->client, &reply, NULL, 0);
		fd_closep(&f->client);
		fd_closep(&f->spawner);
		task_ref_done(&f->ref);
	}
	reply.wait_status = m->exit_status;
	if (m->exit_status == -1 && m->lost.status)
		reply.error = m->lost;
	vec_each(c, &m->clients) {
		if (c->asked)
			control_reply(c->fd, &reply, NULL, 0);
		fd_closep(&c->fd);
	}
	/* Whoever connected too late sees its connection closed and looks at the entry again. */
	while (m->listen_fd >= 0 && (fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

static void settle(struct monitor *m)
{
	struct record *r = &m->entry->record;

	if (m->checkpointed)
		return; /* removed already */
	if (r->remove) {
		entry_remove(m->entry);
	} else {
		r->state = PIDSPACE_STOPPED;
		r->exit_status = m->exit_status;
		r->init = hpid_of(0);
		if (m->lost.status)
			r->reason = strdup(m->lost.message);
		entry_save(m->entry, NULL);
		unlinkat(m->entry->dir_fd, "control.sock", 0);
	}
}

static void close_all(struct monitor *m)
{
	fd_closep(&m->listen_fd);
	fd_closep(&m->log_fd);
	vec_free(&m->externals);
	vec_free(&m->clients);
	vec_free(&m->furthers);
	pids_done(&m->pids);
	signals_close(&m->signals);
}

void monitor_run(struct monitor *m)
{
	while (!m->ended && step(m) >= 0)
		;
	if (m->pages.pid) /* init has ended, and so does it; it may say why */
		hear_pages(m);
	session_close(&m->session);
	settle(m);
	dismiss(m);
	close_all(m);
}

void monitor_abandon(struct monitor *m)
{
	struct task_ref *init = pids_init(&m->pids);

	if (init->pidfd >= 0) {
		task_ref_kill(init, SIGKILL);
		waitpid(m->pids.kind == PIDSPACE_VIRTUAL ? m->pids.virtual.warden.host.n : init->host.n, NULL, __WALL);
	}
	if (m->pages.pid)
		page_server_hear(&m->pages, NULL);
	session_close(&m->session);
	entry_remove(m->entry);
	close_all(m);
}
