/* pidspace_run(): a new container, and its monitor. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/daemon.h"
#include "container/launch.h"
#include "container/monitor.h"
#include "container/run.h"
#include "container/spawner.h"
#include "kernel/probe.h"

static char **copy_strings(char *const *list)
{
	size_t n = 0;
	char **copy;

	while (list[n])
		n++;
	copy = calloc(n + 1, sizeof *copy);
	for (size_t i = 0; copy && i < n; i++)
		copy[i] = strdup(list[i]);
	return copy;
}

static void fill_record(struct record *r, const struct pidspace_run *o)
{
	r->state = PIDSPACE_RUNNING;
	r->pids = o->pids;
	r->detached = o->detach;
	r->terminal = o->terminal;
	r->remove = o->remove;
	r->init_wrapper = o->init;
	r->map_root = o->map_root;
	r->user_namespace = o->pids == PIDSPACE_SPACE && (o->user_namespace || o->map_root || geteuid() != 0);
	r->pid_max = o->pid_max;
	r->rootfs = o->rootfs ? realpath(o->rootfs, NULL) : NULL;
	if (r->rootfs && !strcmp(r->rootfs, "/")) { /* the host's anyway */
		free(r->rootfs);
		r->rootfs = NULL;
	}
	r->hostname = o->hostname ? strdup(o->hostname) : NULL;
	r->command = copy_strings(o->argv);
}

int run_write_pid_file(const char *path, struct hpid pid, struct pidspace_error *err)
{
	_cleanup_close_ int fd = -1;
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", pid.n);

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, text, (size_t)n) != n)
		return error_sys(err, fd < 0 ? -errno : -EIO, "cannot write the pid file %s", path);
	return 0;
}

int run_stdio(struct monitor *m, bool detach, bool terminal, const int user[3], int ret_inner[3],
	      struct pidspace_error *err)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};
	static const int nobody[3] = {-1, -1, -1};
	int r;

	m->foreground = !detach;
	r = session_open(&m->session, detach ? nobody : user, terminal, ret_inner, err);
	if (r < 0)
		return r;
	if (detach) {
		r = monitor_open_log(m, err);
		if (r >= 0 && !terminal) {
			ret_inner[1] = fcntl(m->log_fd, F_DUPFD_CLOEXEC, 3);
			ret_inner[2] = fcntl(m->log_fd, F_DUPFD_CLOEXEC, 3);
			monitor_add_external(m, "log", m->log_fd);
		}
		return r;
	}
	for (int i = 0; i < 3; i++)
		monitor_add_external(m, names[i], ret_inner[i]);
	return 0;
}

static bool needs_namespaces(const struct pidspace_run *o)
{
	return o->rootfs || o->hostname || o->map_root || o->user_namespace;
}

/* Settles PIDSPACE_EITHER. */
static int choose(struct pidspace_run *o, struct pidspace_error *err)
{
	if (o->pids != PIDSPACE_EITHER)
		return 0;
	o->pids = probe_one(PROBE_PIDNS) ? PIDSPACE_SPACE : PIDSPACE_VIRTUAL;
	if (o->pids == PIDSPACE_VIRTUAL && needs_namespaces(o))
		return error_set(err, -EINVAL, "E_VIRTUAL_OPTION", "container %s cannot have a root directory, host name or "
				 "user namespace of its own: this user cannot make PID namespaces here, and virtual pids, "
				 "which work without, come without those as well; leave these options out", o->name);
	if (o->chosen)
		o->chosen(o->chosen_arg, o->pids);
	return 0;
}

static int spawn_virtual(struct monitor *m, const struct pidspace_run *o, struct launch *l, struct pidspace_error *err)
{
	_cleanup_close_ int listen_fd = -1;
	struct virtual_options vo = {.pid_max = o->pid_max, .spawner = spawner_run, .spawner_arg = &listen_fd,
				     .log = m->log_fd};
	struct virtual_pids v;
	int r;

	if (needs_namespaces(o))
		return error_set(err, -EINVAL, "E_VIRTUAL_OPTION", "virtual pids come without namespaces, so a container "
				 "of them cannot have a root directory, host name or user namespace of its own: leave "
				 "these options out, or use --pids=space");
	listen_fd = spawner_listen(m->entry->dir_fd);
	if (listen_fd < 0)
		return error_sys(err, listen_fd, "cannot make spawn.sock of container %s", m->entry->record.name);
	r = virtual_spawn(&v, &vo, launch_first, l, err);
	if (r >= 0)
		pids_take_virtual(&m->pids, &v);
	return r;
}

static int launch(struct monitor *m, const struct pidspace_run *o, const int inner[3],
		  struct pidspace_error *err)
{
	const struct record *rec = &m->entry->record;
	struct space_options so = {.new_user = rec->user_namespace, .map_root = o->map_root,
				   .rootfs = rec->rootfs, .hostname = o->hostname,
				   .pid_max = o->pid_max};
	struct launch l = {.argv = o->argv, .env = o->env ? o->env : environ, .cwd = o->cwd,
			   .terminal = o->terminal, .init_wrapper = o->init,
			   .stdio = {inner[0], inner[1], inner[2]}};
	_cleanup_close_ int ours = -1;
	int master = -1, r;

	if (o->terminal && !o->detach)
		l.size = session_size(o->stdio);
	if (o->rootfs && access(o->rootfs, F_OK) < 0)
		return error_set(err, -ENOENT, "E_ROOTFS", "there is no root directory %s", o->rootfs);
	r = launch_prepare(&l, &ours, err);
	if (r < 0)
		return r;
	r = o->pids == PIDSPACE_VIRTUAL ? spawn_virtual(m, o, &l, err)
					: space_spawn(&m->pids.space, &so, launch_first, &l, err);
	close(l.status);
	if (r < 0)
		return r;
	m->init_is_child = true;
	r = launch_await(ours, &master, err);
	if (r >= 0 && master >= 0) {
		r = session_attach(&m->session, master, m->log_fd, err);
		monitor_add_external(m, "console", m->session.slave);
	}
	return r;
}

static int start(struct pidspace *p, const struct pidspace_run *o, struct monitor *m,
		 struct pidspace_error *err)
{
	int inner[3] = {-1, -1, -1}, r;
	struct entry *e;

	if (!o->argv || !o->argv[0])
		return error_set(err, -EINVAL, "E_EXEC", "no command was given");
	r = entry_create(p, o->name, &e, err);
	if (r < 0)
		return r;
	monitor_init(m, e);
	fill_record(&e->record, o);
	r = run_stdio(m, o->detach, o->terminal, o->stdio, inner, err);
	if (r >= 0)
		r = monitor_open(m, err);
	if (r >= 0)
		r = launch(m, o, inner, err);
	for (int i = 0; i < 3; i++)
		fd_closep(&inner[i]);
	if (r >= 0)
		r = entry_identify(e, pids_init(&m->pids)->host, m->pids.virtual.warden.host, err);
	if (r >= 0)
		r = entry_save(e, err);
	fd_closep(&m->pids.virtual.hold);
	if (r >= 0)
		r = run_write_pid_file(o->pid_file, pids_init(&m->pids)->host, err);
	if (r < 0) {
		monitor_abandon(m);
		entry_free(e);
	}
	return r;
}

struct detached {
	struct pidspace *registry;
	const struct pidspace_run *options;
};

static void run_detached(void *arg, int sock)
{
	const struct detached *d = arg;
	struct pidspace_error err = {0};
	struct monitor m;
	int r = start(d->registry, d->options, &m, &err);

	control_done(sock, r, &err);
	close(sock);
	if (r >= 0 && chdir("/") == 0)
		monitor_run(&m);
}

int run_foreground(struct monitor *m, int *ret_status, struct pidspace_error *err)
{
	int r = 0;

	monitor_run(m);
	if (m->checkpointed)
		r = error_set(err, -ECANCELED, "E_CHECKPOINTED", "container %s was checkpointed away",
			      m->entry->record.name);
	else if (m->lost.status) {
		if (err)
			*err = m->lost;
		r = m->lost.status;
	} else if (ret_status)
		*ret_status = m->exit_status;
	entry_free(m->entry);
	return r;
}

int pidspace_run(struct pidspace *p, const struct pidspace_run *options, int *ret_status,
		 struct pidspace_error *err)
{
	struct pidspace_run run = *options, *o = &run;
	struct monitor m;
	int r = choose(o, err);

	if (r < 0)
		return r;
	if (o->detach) {
		struct detached d = {p, o};
		struct control_answer a = {0};

		return daemon_start(run_detached, &d, &p->dir_fd, 1, &a, err);
	}
	r = start(p, o, &m, err);
	return r < 0 ? r : run_foreground(&m, ret_status, err);
}
