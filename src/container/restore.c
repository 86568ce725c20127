/* pidspace_restore(): becomes the monitor of a container whose tree comes out of an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/host.h"
#include "container/daemon.h"
#include "container/describe.h"
#include "container/monitor.h"
#include "container/run.h"
#include "migrate/lazy.h"

struct comeback {
	struct pidspace *registry;
	const struct pidspace_restore *options;
	struct monitor monitor;
	struct image_reader *image;
	struct image_index *index;      /* of a lazy restore */
	struct space_options space;
	VEC(struct external) externals; /* what stands in for outside things, by name */
	VEC(int) opened;                /* descriptors of user externals, ours */
	int sock;                       /* detached: to the caller, or -1 */
	struct refusal *rows;
	size_t n_rows;
	struct engine_stats stats;
};

/* --- reading the image's beginning --- */

static int read_container(struct comeback *c, struct record *r, struct pidspace_error *err)
{
	struct image_frame f;
	int e = image_reader_new(&c->image, c->options->image_fd, err);

	if (e < 0)
		return e;
	image_reader_defer_early(c->image);
	if (c->index)
		image_reader_skip_data(c->image);
	else
		image_reader_defer_data(c->image);
	do {
		e = image_next(c->image, &f, err);
		if (e > 0 && f.type == FRAME_HOST && host_check(f.body, f.len, err) < 0)
			return err->status;
	} while (e > 0 && (f.type == FRAME_HOST || f.type == FRAME_EARLY_PAGES));
	if (e >= 0 && (e == 0 || f.type != FRAME_CONTAINER))
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "the image does not begin with a container's description");
	return e < 0 ? e : describe_restored(f.body, f.len, r, &c->space, err);
}

/* Makes the entry under the image's name or the new one. */
static int make_entry(struct comeback *c, struct pidspace_error *err)
{
	const struct pidspace_restore *o = c->options;
	struct record r = {0};
	struct entry *e;
	int k;

	if (o->name)
		snprintf(r.name, sizeof r.name, "%s", o->name);
	k = read_container(c, &r, err);
	if (k >= 0 && r.pids != PIDSPACE_SPACE)
		k = error_set(err, -ENOSYS, "E_NOT_YET", "pids virtual is not there yet");
	if (k >= 0)
		k = entry_create(c->registry, r.name, &e, err);
	if (k < 0) {
		record_done(&r);
		return k;
	}
	if (!r.id[0])
		snprintf(r.id, sizeof r.id, "%s", e->record.id);
	record_done(&e->record);
	e->record = r;
	e->record.remove = o->remove;
	e->record.detached = o->detach;
	e->record.user_namespace = r.user_namespace || geteuid() != 0;
	c->space.new_user = e->record.user_namespace;
	monitor_init(&c->monitor, e);
	return 0;
}

/* --- externals --- */

static int stand_in(struct comeback *c, const char *name, int fd, bool is_stdio)
{
	struct external *e = vec_push(&c->externals);

	if (!e)
		return -ENOMEM;
	snprintf(e->name, sizeof e->name, "%s", name);
	e->fd = fd;
	e->is_stdio = is_stdio;
	return 0;
}

/* However it was connected before: detached it finds its log, in the foreground our pipes. */
static int stdio_stand_ins(struct comeback *c, const int inner[3], struct pidspace_error *err)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};
	int r = 0;

	for (int i = 0; i < 3 && r >= 0; i++) {
		int fd = inner[i];

		if (fd < 0) {
			int *at = vec_push(&c->opened);

			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (!at)
				r = -ENOMEM;
			else
				*at = fd;
		}
		if (r >= 0)
			r = stand_in(c, names[i], fd, true);
		if (r >= 0 && i == 1)
			r = stand_in(c, "log", fd, true);
	}
	if (r >= 0 && c->monitor.session.terminal)
		r = stand_in(c, "console", -1, true);
	return r < 0 ? error_sys(err, r, "cannot prepare the container's stdio") : 0;
}

/* "KEY=PATH" is opened as what it is allowed to be, "KEY=fd:N" is the caller's. */
static int user_stand_in(struct comeback *c, const char *text, struct pidspace_error *err)
{
	const char *eq = strrchr(text, '=');
	_cleanup_free_ char *key = NULL;
	int fd, *at;

	if (!eq || eq == text)
		return error_set(err, -EINVAL, "E_EXTERNAL", "--external %s is not KEY=PATH or KEY=fd:N",
				 text);
	key = strndup(text, (size_t)(eq - text));
	if (!key)
		return error_sys(err, -ENOMEM, "cannot note --external %s", text);
	if (!strncmp(eq + 1, "fd:", 3))
		fd = fcntl(atoi(eq + 4), F_DUPFD_CLOEXEC, 3);
	else {
		fd = open(eq + 1, O_RDWR | O_CLOEXEC | O_NOCTTY);
		if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EISDIR))
			fd = open(eq + 1, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (fd < 0)
		return error_sys(err, -errno, "cannot open what --external %s names", text);
	at = vec_push(&c->opened);
	if (!at || stand_in(c, key, fd, false) < 0) {
		close(fd);
		return error_sys(err, -ENOMEM, "cannot note --external %s", text);
	}
	*at = fd;
	return 0;
}

/* --- restoring --- */

static void forward_progress(void *arg, const struct engine_stats *st)
{
	struct comeback *c = arg;
	struct control_reply r = {.type = CONTROL_PROGRESS};
	struct pidspace_progress now;

	describe_progress(st, &r);
	if (c->sock >= 0) {
		control_reply(c->sock, &r, NULL, 0);
	} else if (c->options->progress) {
		now = (struct pidspace_progress){.phase = r.phase, .bytes = r.bytes, .total = r.total,
						 .elapsed_ns = r.elapsed_ns};
		c->options->progress(c->options->progress_arg, &now);
	}
}

/* Last thing before the tree runs: from here on the container exists. */
static int publish(void *arg, const struct space *s, struct pidspace_error *err)
{
	struct comeback *c = arg;
	struct entry *e = c->monitor.entry;
	int r = entry_identify(e, s->init.host, hpid_of(0), err);

	e->record.state = PIDSPACE_RUNNING;
	if (r >= 0)
		r = entry_save(e, err);
	if (r >= 0)
		r = run_write_pid_file(c->options->pid_file, s->init.host, err);
	if (r >= 0 && c->monitor.pages.pid)
		page_server_go(&c->monitor.pages);
	return r;
}

static int take_console(struct comeback *c, struct pidspace_error *err)
{
	struct monitor *m = &c->monitor;

	vec_each(e, &c->externals)
		if (!strcmp(e->name, "console") && e->fd >= 0) {
			int r = session_attach(&m->session, e->fd, m->log_fd, err);

			e->fd = -1;
			monitor_add_external(m, "console", m->session.slave);
			return r;
		}
	return 0;
}

/* --- memory that comes later --- */

/* Before anything is made: can it be done here, and with this image? */
static int open_lazy(struct comeback *c, struct pidspace_error *err)
{
	int r;

	if (!c->options->lazy)
		return 0;
	r = lazy_allowed(err);
	return r < 0 ? r : image_index_open(&c->index, c->options->image_fd, err);
}

static int serve_pages(void *arg, const struct space *s, const struct lazy_memory *m, struct pidspace_error *err)
{
	struct comeback *c = arg;
	struct entry *e = c->monitor.entry;
	const struct lazy_file file = {.index = c->index, .image_fd = c->options->image_fd,
				       .init = s->init.pidfd, .name = e->record.name,
				       .log_fd = c->monitor.log_fd};
	int r = lazy_serve(&c->monitor.pages, &file, m, err);

	if (r == 0 && (r = entry_note_page_server(e, c->monitor.pages.pid)) < 0)
		error_sys(err, r, "cannot watch the server of pages");
	return r;
}

static void lend_hand(void *arg, uint32_t space_id, const struct hand *h)
{
	struct comeback *c = arg;

	page_server_hand(&c->monitor.pages, space_id, h);
}

static int restore_tree(struct comeback *c, struct pidspace_error *err)
{
	const struct restore_lazy lazy = {.index = c->index, .serve = serve_pages, .lend = lend_hand, .arg = c};
	struct restore_options o = {
		.image = c->image,
		.space = &c->space,
		.externals = c->externals.at,
		.n_externals = c->externals.n,
		.files = (enum file_policy)c->options->files,
		.progress = forward_progress,
		.progress_arg = c,
		.commit = publish,
		.commit_arg = c,
		.lazy = c->index ? &lazy : NULL,
	};
	int r = restore_run(&o, &c->monitor.pids.space, &c->rows, &c->n_rows, &c->stats, err);

	if (r < 0)
		return r;
	c->monitor.init_is_child = true;
	r = monitor_find_furthers(&c->monitor);
	return r < 0 ? error_sys(err, r, "cannot look after the container's processes")
		     : take_console(c, err);
}

static void finish_start(struct comeback *c, int inner[3])
{
	for (int i = 0; i < 3; i++)
		fd_closep(&inner[i]);
	vec_each(fd, &c->opened)
		fd_closep(fd);
	vec_free(&c->opened);
	vec_free(&c->externals);
	image_reader_free(c->image);
	image_index_free(c->index);
	c->image = NULL;
	c->index = NULL;
}

static int start(struct comeback *c, struct pidspace_error *err)
{
	const struct pidspace_restore *o = c->options;
	int inner[3] = {-1, -1, -1};
	struct monitor *m = &c->monitor;
	int r = open_lazy(c, err);

	if (r >= 0)
		r = make_entry(c, err);
	if (r < 0) {
		finish_start(c, inner);
		return r;
	}
	r = run_stdio(m, o->detach, m->entry->record.terminal, o->stdio, inner, err);
	if (r >= 0)
		r = stdio_stand_ins(c, inner, err);
	for (const char *const *x = o->external; x && *x && r >= 0; x++)
		r = user_stand_in(c, *x, err);
	if (r >= 0)
		r = monitor_open(m, err);
	if (r >= 0)
		r = restore_tree(c, err);
	finish_start(c, inner);
	if (r < 0) {
		monitor_abandon(m);
		entry_free(m->entry);
	}
	return r;
}

/* --- both ways --- */

static void restore_detached(void *arg, int sock)
{
	struct comeback *c = arg;
	struct pidspace_error err = {0};
	struct control_reply done = {.type = CONTROL_DONE};
	int r;

	c->sock = sock;
	r = start(c, &err);
	for (size_t i = 0; i < c->n_rows; i++) {
		struct control_reply row = {.type = CONTROL_REFUSAL};

		describe_refusal(&c->rows[i], &row.refusal);
		control_reply(sock, &row, NULL, 0);
	}
	free(c->rows);
	if (r < 0) {
		done.error = err;
		done.error.status = r;
	} else
		describe_stats(&c->stats, &done.stats);
	control_reply(sock, &done, NULL, 0);
	close(sock);
	close(c->options->image_fd);
	if (r >= 0 && chdir("/") == 0)
		monitor_run(&c->monitor);
}

static int collect_fds(const struct comeback *c, int *keep, size_t max)
{
	size_t n = 0;

	keep[n++] = c->registry->dir_fd;
	keep[n++] = c->options->image_fd;
	for (const char *const *x = c->options->external; x && *x && n < max; x++) {
		const char *eq = strrchr(*x, '=');

		if (eq && !strncmp(eq + 1, "fd:", 3))
			keep[n++] = atoi(eq + 4);
	}
	return (int)n;
}

static int go_detached(struct comeback *c, struct control_answer *a, struct pidspace_error *err)
{
	int keep[15];
	int r = daemon_start(restore_detached, c, keep, (size_t)collect_fds(c, keep, 15), a, err);

	if (r >= 0 && c->options->restored)
		c->options->restored(c->options->restored_arg, &a->done.stats);
	return r;
}

static int give_rows(struct comeback *c, struct pidspace_refusal **ret, size_t *ret_n)
{
	struct pidspace_refusal *list = NULL;

	if (ret && ret_n && c->n_rows) {
		list = calloc(c->n_rows, sizeof *list);
		for (size_t i = 0; list && i < c->n_rows; i++)
			describe_refusal(&c->rows[i], &list[i]);
		*ret = list;
		*ret_n = list ? c->n_rows : 0;
	}
	free(c->rows);
	c->rows = NULL;
	return 0;
}

int pidspace_restore(struct pidspace *p, const struct pidspace_restore *o,
		     struct pidspace_refusal **ret_refusals, size_t *ret_n,
		     int *ret_status, struct pidspace_error *err)
{
	struct comeback c = {.registry = p, .options = o, .sock = -1};
	int r;

	if (ret_refusals && ret_n) {
		*ret_refusals = NULL;
		*ret_n = 0;
	}
	if (o->detach) {
		struct control_answer a = {.progress = o->progress, .progress_arg = o->progress_arg};

		r = go_detached(&c, &a, err);
		control_take_refusals(&a, ret_refusals, ret_n);
		return r;
	}
	r = start(&c, err);
	give_rows(&c, ret_refusals, ret_n);
	if (r < 0)
		return r;
	if (o->restored) {
		struct pidspace_stats stats;

		describe_stats(&c.stats, &stats);
		o->restored(o->restored_arg, &stats);
	}
	return run_foreground(&c.monitor, ret_status, err);
}
