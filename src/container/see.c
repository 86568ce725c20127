/* pidspace_list() and pidspace_state(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "container/registry.h"

static int count(void *arg, struct vpid pid)
{
	++*(size_t *)arg;
	return 0;
}

static size_t count_tasks(struct entry *e)
{
	struct pids p;
	size_t n = 0;

	if (entry_pids(e, &p, NULL) < 0)
		return 0;
	pids_each(&p, count, &n);
	pids_done(&p);
	return n;
}

static void join(char *to, size_t size, char *const *words)
{
	size_t n = 0;

	to[0] = 0;
	for (; words && *words && n < size - 1; words++) {
		int k = snprintf(to + n, size - n, "%s%s", n ? " " : "", *words);

		n += k > 0 ? (size_t)k : 0;
	}
}

static void describe(struct entry *e, struct pidspace_info *i)
{
	const struct record *r = &e->record;
	struct stat st;

	memset(i, 0, sizeof *i);
	snprintf(i->name, sizeof i->name, "%s", r->name);
	snprintf(i->id, sizeof i->id, "%s", r->id);
	i->state = r->state;
	i->pids = r->pids;
	i->created_ns = r->created_ns;
	i->detached = r->detached;
	i->terminal = r->terminal;
	i->user_namespace = r->user_namespace;
	join(i->command, sizeof i->command, r->command);
	if (fstatat(e->dir_fd, "log", &st, 0) == 0)
		snprintf(i->log, sizeof i->log, "%s/%s/log", e->registry->dir, r->name);
	if (r->state == PIDSPACE_STOPPED) {
		i->exit_status = r->exit_status;
		snprintf(i->reason, sizeof i->reason, "%s", r->reason ? r->reason : "");
		return;
	}
	i->host_pid = r->init.n;
	i->monitor_host_pid = entry_monitor(e);
	i->tasks = count_tasks(e);
	int server = entry_page_server(e);
	i->memory_arriving = server >= 0;
	fd_closep(&server);
	/* What a dead monitor had stopped goes on. */
	if (i->state == PIDSPACE_PAUSED && !i->monitor_host_pid)
		i->state = PIDSPACE_RUNNING;
}

/* Run with remove, ended, and no monitor there to forget it. */
static bool forget(struct entry *e)
{
	return e->record.state == PIDSPACE_STOPPED && e->record.remove && entry_lock(e) == 0 &&
	       entry_remove(e) == 0;
}

int pidspace_list(struct pidspace *p, struct pidspace_info **ret, size_t *ret_n,
		  struct pidspace_error *err)
{
	struct pidspace_info *list;
	struct entry **entries;
	size_t n, kept = 0;
	int r = entry_list(p, &entries, &n, err);

	if (r < 0)
		return r;
	list = calloc(n ? n : 1, sizeof *list);
	if (!list) {
		entry_list_free(entries);
		return error_sys(err, -ENOMEM, "cannot list containers");
	}
	for (size_t i = 0; i < n; i++)
		if (!forget(entries[i]))
			describe(entries[i], &list[kept++]);
	entry_list_free(entries);
	*ret = list;
	*ret_n = kept;
	return 0;
}

int pidspace_state(struct pidspace *p, const char *name, struct pidspace_info *ret,
		   struct pidspace_error *err)
{
	struct entry *e;
	int r = entry_open(p, name, &e, err);

	if (r < 0)
		return r;
	if (forget(e))
		r = error_set(err, -ENOENT, "E_NO_CONTAINER", "there is no container %s any more", name);
	else
		describe(e, ret);
	entry_free(e);
	return r;
}
