#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "show_tasks.h"

enum { SHOW = CLI_LONG, TREE };

static const struct cli_option options[] = {
	{SHOW, "show-container", "NAME", "only this one (again for more); otherwise all of the caller's"},
	{'o', "columns", "COLS", "of container,pid,tid,host,ppid,pgid,sid,state,cpu,rss,start,\n"
				 "                            threads,uid,comm,command"},
	{TREE, "tree", NULL, "show who is whose child"},
	{'T', "threads", NULL, "one line a thread"},
	{'f', "format", "FORMAT", "text or json"},
	{0},
};

struct list {
	struct pidspace_task *at;
	size_t n;
};

/* Returns 0, or -errno with *err. */
static int add(struct pidspace *p, const char *name, bool threads, struct list *list,
	       struct pidspace_error *err)
{
	struct pidspace_task *tasks = NULL;
	size_t n = 0;
	int r = pidspace_ps(p, name, threads, &tasks, &n, err);

	if (r < 0)
		return r;
	list->at = cli_alloc(list->at, (list->n + n + 1) * sizeof *list->at);
	memcpy(list->at + list->n, tasks, n * sizeof *tasks);
	list->n += n;
	free(tasks);
	return 0;
}

static int add_all(struct pidspace *p, bool threads, struct list *list, struct pidspace_error *err)
{
	struct pidspace_info *all = NULL;
	size_t n = 0;
	int r = pidspace_list(p, &all, &n, err);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (all[i].state != PIDSPACE_RUNNING && all[i].state != PIDSPACE_PAUSED)
			continue;
		r = add(p, all[i].name, threads, list, err);
		if (r == -ESRCH || r == -ENOENT) /* it ended since */
			r = 0;
	}
	free(all);
	return r;
}

static int ps(struct cli *c, int argc, char **argv)
{
	struct show_tasks o = {0};
	struct cli_strings names = {0};
	struct list list = {0};
	struct pidspace_error err = {0};
	int key, r = 0;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		switch (key) {
		case SHOW: cli_strings_add(&names, optarg); break;
		case 'o': o.columns = optarg; break;
		case TREE: o.tree = true; break;
		case 'T': o.threads = true; break;
		case 'f': o.json = cli_format(c, optarg); break;
		}
	}
	while (optind < argc)
		cli_strings_add(&names, argv[optind++]);
	show_tasks_check(c, &o);
	o.containers = names.n != 1;
	if (names.n == 0)
		r = add_all(cli_registry(c), o.threads, &list, &err);
	for (size_t i = 0; r >= 0 && i < names.n; i++)
		r = add(cli_registry(c), names.at[i], o.threads, &list, &err);
	if (r < 0)
		return cli_fail(&err);
	show_tasks(&o, list.at, list.n);
	free(list.at);
	return 0;
}

const struct cli_command command_ps = {
	"ps", "[NAME...]", "Show the processes of containers with both their pids", options, false, ps,
};
