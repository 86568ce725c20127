/* What a monitor does when asked (control.h). */
#include "container/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/describe.h"
#include "container/launch.h"
#include "container/spawner.h"
#include "migrate/rounds.h"

static int refuse_paused(const struct monitor *m, struct pidspace_error *err)
{
	return error_set(err, -EBUSY, "E_PAUSED", "container %s is paused: resume it first",
			 m->entry->record.name);
}

/* --- exec --- */

/* A restored further process finds its stdio where the container's own is. */
static void remember_stdio(struct monitor *m, const struct control_message *q)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};

	for (size_t i = 0; i < q->n_fds && i < 3; i++)
		monitor_add_external(m, names[i], q->fds[i]);
}

/* Where init is, if that still exists. */
static const char *init_directory(const struct monitor *m, char buf[PATH_MAX])
{
	char path[PATH_MAX + 32];
	struct pids_proc at;
	struct stat st;
	ssize_t n;

	if (pids_proc(&m->pids, vpid_of(1), &at) < 0)
		return NULL;
	snprintf(path, sizeof path, "%d/cwd", at.number);
	n = readlinkat(at.dir, path, buf, PATH_MAX - 1);
	if (n <= 0)
		return NULL;
	buf[n] = 0;
	snprintf(path, sizeof path, "%d/root%s", at.number, buf);
	return fstatat(at.dir, path, &st, 0) == 0 && S_ISDIR(st.st_mode) ? buf : NULL;
}

static int spawn_in_space(struct monitor *m, struct launch *l, struct further *f, int *ret_master,
			  struct pidspace_error *err)
{
	_cleanup_close_ int ours = -1;
	int r = launch_prepare(l, &ours, err);

	if (r < 0)
		return r;
	r = space_enter(&m->pids.space, launch_first, l, &f->ref, err);
	close(l->status);
	if (r < 0)
		return r;
	r = launch_await(ours, ret_master, err);
	if (r < 0) {
		task_ref_kill(&f->ref, SIGKILL);
		waitpid(f->ref.host.n, NULL, __WALL);
		task_ref_done(&f->ref);
	}
	return r;
}

static int start_further(struct monitor *m, const struct control_message *q, struct further *f,
			 int *ret_master, struct pidspace_error *err)
{
	struct launch l = {.argv = q->argv, .env = q->env, .terminal = q->head.terminal,
			   .size = {.ws_row = q->head.rows, .ws_col = q->head.cols},
			   .cwd = *q->cwd ? q->cwd : NULL, .stdio = {-1, -1, -1}};
	char cwd[PATH_MAX];

	if (!q->argv[0])
		return error_set(err, -EINVAL, "E_EXEC", "no command was given");
	for (size_t i = 0; i < q->n_fds && i < 3; i++)
		l.stdio[i] = q->fds[i];
	if (q->head.detach)
		l.stdio[1] = l.stdio[2] = m->log_fd;
	if (!l.cwd)
		l.cwd = init_directory(m, cwd);
	if (m->pids.kind == PIDSPACE_VIRTUAL)
		return spawner_start(m->entry, &l, &f->spawner, &f->ref, ret_master, err);
	return spawn_in_space(m, &l, f, ret_master, err);
}

static int serve_exec(struct monitor *m, struct client *c, const struct control_message *q,
		      struct pidspace_error *err)
{
	struct control_reply started = {.type = CONTROL_STARTED};
	struct further new = {.ref = TASK_REF_EMPTY, .client = -1, .spawner = -1}, *f;
	_cleanup_close_ int master = -1;
	int fds[2], r;

	if (monitor_is_paused(m))
		return refuse_paused(m, err);
	r = start_further(m, q, &new, &master, err);
	if (r < 0)
		return r;
	if (!q->head.detach)
		remember_stdio(m, q);
	started.pid = new.ref.pid.n;
	fds[0] = new.ref.pidfd;
	fds[1] = master;
	control_reply(c->fd, &started, fds, master >= 0 ? 2 : 1);
	f = vec_push(&m->furthers);
	if (!f)
		return error_sys(err, -ENOMEM, "cannot watch the new process");
	*f = new;
	if (!q->head.detach)
		f->client = fd_take(&c->fd);
	return 0;
}

/* --- pause and resume --- */

static int save_state(struct monitor *m, enum pidspace_state state, struct pidspace_error *err)
{
	m->entry->record.state = state;
	return entry_save(m->entry, err);
}

static int serve_pause(struct monitor *m, struct pidspace_error *err)
{
	int r;

	if (monitor_is_paused(m))
		return 0;
	r = m->pids.kind == PIDSPACE_VIRTUAL ? virtual_pause(&m->held, &m->pids.virtual, err)
					     : freeze_tree(&m->frozen, &m->pids.space, err);
	return r < 0 ? r : save_state(m, PIDSPACE_PAUSED, err);
}

static int serve_resume(struct monitor *m, struct pidspace_error *err)
{
	if (!monitor_is_paused(m))
		return 0;
	monitor_let_go(m);
	return save_state(m, PIDSPACE_RUNNING, err);
}

/* --- checkpoint and check --- */

struct audience {
	int fd;
};

static void send_progress(void *arg, const struct engine_stats *st)
{
	struct audience *a = arg;
	struct control_reply r = {.type = CONTROL_PROGRESS};
	struct pollfd p = {.fd = a->fd, .events = POLLOUT};

	/* news that nobody reads are not worth waiting for while the tree stands still */
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLOUT))
		return;
	describe_progress(st, &r);
	control_reply(a->fd, &r, NULL, 0);
}

/* Keys of --external (a path, "pipe:[INO]", "PID:FD") become identities to match. */
static int add_user_externals(struct monitor *m, char *const *keys, struct pidspace_error *err)
{
	for (; *keys; keys++) {
		struct external *e = vec_push(&m->externals);

		if (!e)
			return error_sys(err, -ENOMEM, "cannot note the external %s", *keys);
		if (describe_external(&m->pids.space, *keys, e) < 0)
			return error_set(err, -ENOENT, "E_EXTERNAL",
					 "--external %s names nothing that exists in container %s: give a "
					 "path, pipe:[INO], socket:[INO] or PID:FD", *keys,
					 m->entry->record.name);
	}
	return 0;
}

static void let_go(void *arg)
{
	struct monitor *m = arg;

	freeze_release(m->frozen);
	m->frozen = NULL;
}

/* The image gets its name before the container ends: whatever happens in between, one of them is there. */
static int confirm_with(void *arg, struct pidspace_error *err)
{
	const struct client *c = arg;

	return control_confirm(c->fd, err);
}

static struct image_options image_options(const struct control_message *q, const struct client *c)
{
	return (struct image_options){.compress = (enum image_compress)q->head.compress, .level = (int)q->head.level,
				      .sync = q->head.sync, .asker = c->fd};
}

/* The clocks of a running tree move on, so it is stopped before they are read: a restored tree must
 * never see time go back. */
static int save_stopped(struct monitor *m, const struct control_message *q, struct client *c,
			bool was_paused, const struct rounds *rounds, struct refusal **rows, size_t *n_rows, struct engine_stats *st,
			struct pidspace_error *err)
{
	bool check = q->head.type == CONTROL_CHECK;
	_cleanup_free_ void *body = NULL;
	struct audience a = {.fd = c->fd};
	bool confirm = !check && q->head.confirm;
	struct checkpoint_options o = {
		.space = &m->pids.space,
		.image_fd = check ? -1 : q->fds[0],
		.image = image_options(q, c),
		.leave_running = q->head.leave_running,
		.check_only = check,
		.frozen = m->frozen,
		.externals = m->externals.at,
		.n_externals = m->externals.n,
		.progress = send_progress,
		.progress_arg = &a,
		.earlier = rounds ? rounds_earlier(rounds) : NULL,
		.let_go = was_paused ? NULL : let_go,
		.let_go_arg = m,
		.written = confirm ? confirm_with : NULL,
		.written_arg = c,
	};
	int r = describe_container(&m->entry->record, &m->pids.space, &body, &o.container_len, err);

	o.container = body;
	return r < 0 ? r : checkpoint_run(&o, rows, n_rows, st, err);
}

/* Copies what it can while the tree runs; *ret is NULL where that is no use or not wanted. */
static int copy_ahead(struct monitor *m, const struct control_message *q, struct client *c,
		      struct engine_stats *st, struct rounds **ret, struct pidspace_error *err)
{
	struct audience a = {.fd = c->fd};
	const struct rounds_options o = {
		.space = &m->pids.space,
		.image_fd = q->n_fds ? q->fds[0] : -1,
		.image = image_options(q, c),
		.max_rounds = q->head.max_rounds,
		.always = q->head.always_rounds,
		.stats = st,
		.progress = send_progress,
		.progress_arg = &a,
	};

	*ret = NULL;
	if (q->head.type != CONTROL_CHECKPOINT || m->frozen || !o.max_rounds)
		return 0;
	stats_enter(st, PHASE_ROUNDS);
	return rounds_run(ret, &o, err);
}

static int freeze_and_save(struct monitor *m, const struct control_message *q, struct client *c,
			   struct refusal **rows, size_t *n_rows, struct engine_stats *st,
			   struct pidspace_error *err)
{
	bool was_paused = m->frozen, gone;
	struct rounds *rounds;
	int r = copy_ahead(m, q, c, st, &rounds, err);

	stats_enter(st, PHASE_FREEZE);
	if (r >= 0 && !was_paused)
		r = freeze_tree(&m->frozen, &m->pids.space, err);
	if (r >= 0)
		r = save_stopped(m, q, c, was_paused, rounds, rows, n_rows, st, err);
	gone = r >= 0 && q->head.type == CONTROL_CHECKPOINT && !q->head.leave_running;
	if (gone || !was_paused) {
		freeze_release(m->frozen);
		m->frozen = NULL;
	}
	rounds_free(rounds);
	stats_enter(st, PHASE_NONE);
	if (gone) {
		m->checkpointed = m->ended = true;
		if (m->init_is_child)
			waitpid(m->pids.space.init.host.n, &m->exit_status, __WALL);
		/* gone before the command that asked for it returns */
		entry_remove(m->entry);
	}
	return r;
}

static void send_refusals(int fd, const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct control_reply r = {.type = CONTROL_REFUSAL};

		describe_refusal(&rows[i], &r.refusal);
		control_reply(fd, &r, NULL, 0);
	}
}

static int refuse_virtual(const struct monitor *m, struct pidspace_error *err)
{
	return error_set(err, -ENOTSUP, "E_VIRTUAL_CHECKPOINT", "container %s has virtual pids, which this version cannot "
			 "checkpoint: run it with --pids=space", m->entry->record.name);
}

static int serve_checkpoint(struct monitor *m, struct client *c, const struct control_message *q,
			    struct pidspace_error *err)
{
	_cleanup_free_ struct refusal *rows = NULL;
	struct control_reply done = {.type = CONTROL_DONE};
	size_t n_rows = 0, own = m->externals.n;
	struct engine_stats st = {0};
	int r = 0;

	if (m->pids.kind == PIDSPACE_VIRTUAL)
		return refuse_virtual(m, err);
	if (q->head.type == CONTROL_CHECKPOINT && q->n_fds < 1)
		r = error_set(err, -EBADF, "E_PROTOCOL", "the request brought no image descriptor");
	if (r >= 0)
		r = add_user_externals(m, q->external, err);
	monitor_await_memory(m);
	if (r >= 0)
		r = freeze_and_save(m, q, c, &rows, &n_rows, &st, err);
	m->externals.n = own;
	send_refusals(c->fd, rows, n_rows);
	if (r == -ENOTSUP && q->head.type == CONTROL_CHECK)
		r = 0;
	if (r < 0)
		return r;
	describe_stats(&st, &done.stats);
	control_reply(c->fd, &done, NULL, 0);
	fd_closep(&c->fd);
	return 0;
}

/* --- */

static int serve(struct monitor *m, struct client *c, const struct control_message *q,
		 struct pidspace_error *err)
{
	switch (q->head.type) {
	case CONTROL_EXEC:
		return serve_exec(m, c, q, err);
	case CONTROL_CHECKPOINT:
	case CONTROL_CHECK:
		return serve_checkpoint(m, c, q, err);
	case CONTROL_PAUSE:
		return serve_pause(m, err);
	case CONTROL_RESUME:
		return serve_resume(m, err);
	case CONTROL_WAIT:
	case CONTROL_STATE:
		return 0;
	default:
		return error_set(err, -EPROTO, "E_PROTOCOL", "the monitor does not know request %u",
				 q->head.type);
	}
}

void monitor_serve(struct monitor *m, struct client *c)
{
	struct control_message q;
	struct pidspace_error err = {0};
	int r = control_hear(c->fd, &q);

	c->asked = true;
	if (r == -EPIPE) {
		fd_closep(&c->fd);
		return;
	}
	if (r < 0) {
		error_set(&err, -EPROTO, "E_PROTOCOL", "the container's monitor is of another version");
		control_done(c->fd, -EPROTO, &err);
		fd_closep(&c->fd);
		return;
	}
	r = serve(m, c, &q, &err);
	if (c->fd >= 0 && (r < 0 || q.head.type != CONTROL_WAIT)) {
		struct control_reply done = {.type = CONTROL_DONE, .paused = monitor_is_paused(m)};

		if (r < 0) {
			done.error = err;
			done.error.status = r;
		}
		control_reply(c->fd, &done, NULL, 0);
		fd_closep(&c->fd);
	}
	control_message_done(&q);
}
