#include "show_tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "json.h"
#include "table.h"

enum column {
	CONTAINER, PID, TID, HOST, PPID, PGID, SID, STATE, CPU, RSS, START, THREADS, UID, COMM, COMMAND,
	N_COLUMNS
};

static const struct {
	const char *name, *title;
	bool right;
} columns[] = {
	[CONTAINER] = {"container", "CONTAINER", false},
	[PID]       = {"pid",       "PID",       true},
	[TID]       = {"tid",       "TID",       true},
	[HOST]      = {"host",      "HOST",      true},
	[PPID]      = {"ppid",      "PPID",      true},
	[PGID]      = {"pgid",      "PGID",      true},
	[SID]       = {"sid",       "SID",       true},
	[STATE]     = {"state",     "S",         false},
	[CPU]       = {"cpu",       "CPU",       true},
	[RSS]       = {"rss",       "RSS",       true},
	[START]     = {"start",     "START",     false},
	[THREADS]   = {"threads",   "THREADS",   true},
	[UID]       = {"uid",       "UID",       true},
	[COMM]      = {"comm",      "COMM",      false},
	[COMMAND]   = {"command",   "COMMAND",   false},
};

const char show_tasks_columns[] =
	"container,pid,tid,host,ppid,pgid,sid,state,cpu,rss,start,threads,uid,comm,command";

static int column_find(const char *name, size_t len)
{
	for (int i = 0; i < N_COLUMNS; i++)
		if (strlen(columns[i].name) == len && !strncasecmp(columns[i].name, name, len))
			return i;
	return -1;
}

/* Up to N_COLUMNS of them (a column may be asked for once); returns how many, or -1 with *ret_bad. */
static int columns_parse(const char *list, enum column *ret, const char **ret_bad)
{
	int n = 0;

	for (const char *p = list;; p++) {
		size_t len = strcspn(p, ",");
		int i = column_find(p, len);
		*ret_bad = p;
		if (i < 0)
			return -1;
		for (int k = 0; k < n; k++)
			if (ret[k] == (enum column)i)
				return -1;
		ret[n++] = (enum column)i;
		p += len;
		if (!*p)
			return n;
	}
}

static int columns_default(const struct show_tasks *o, enum column *ret)
{
	int n = 0;

	if (o->containers)
		ret[n++] = CONTAINER;
	ret[n++] = PID;
	if (o->threads)
		ret[n++] = TID;
	if (!o->images)
		ret[n++] = HOST;
	ret[n++] = PPID;
	ret[n++] = PGID;
	ret[n++] = SID;
	ret[n++] = STATE;
	if (!o->images)
		ret[n++] = CPU;
	ret[n++] = RSS;
	if (!o->images)
		ret[n++] = START;
	ret[n++] = o->threads ? COMM : COMMAND;
	return n;
}

void show_tasks_check(struct cli *c, const struct show_tasks *o)
{
	enum column list[N_COLUMNS];
	const char *bad;

	if (o->columns && columns_parse(o->columns, list, &bad) < 0)
		cli_usage(c, "'%.*s' is no column, or is named twice (there are %s)",
			  (int)strcspn(bad, ","), bad, show_tasks_columns);
}

static char *cpu_text(uint64_t ns)
{
	uint64_t cs = ns / 10000000, s = cs / 100;

	if (s < 3600)
		return cli_printf("%d:%02d.%02d", (int)(s / 60), (int)(s % 60), (int)(cs % 100));
	return cli_printf("%llu:%02d:%02d", (unsigned long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
}

static char *start_text(int64_t ns)
{
	char text[32];
	time_t s = (time_t)(ns / 1000000000), now = time(NULL);
	struct tm tm;

	localtime_r(&s, &tm);
	if (now - s < 24 * 3600)
		strftime(text, sizeof text, "%H:%M:%S", &tm);
	else
		strftime(text, sizeof text, now - s < 300 * 24 * 3600 ? "%b %d" : "%Y", &tm);
	return cli_strdup(text);
}

static pid_t process(const struct pidspace_task *t)
{
	return t->tgid ? t->tgid : t->pid;
}

static char *cell(const struct pidspace_task *t, enum column column)
{
	switch (column) {
	case CONTAINER:
		return cli_strdup(t->container);
	case PID:
		return cli_printf("%d", process(t));
	case TID:
		return cli_printf("%d", t->pid);
	case HOST:
		return t->host_pid ? cli_printf("%d", t->host_pid) : cli_strdup("-");
	case PPID:
		return cli_printf("%d", t->ppid);
	case PGID:
		return cli_printf("%d", t->pgid);
	case SID:
		return cli_printf("%d", t->sid);
	case STATE:
		return cli_printf("%c", t->state);
	case CPU:
		return cpu_text(t->cpu_ns);
	case RSS:
		return table_bytes(t->rss_bytes);
	case START:
		return start_text(t->start_ns);
	case THREADS:
		return cli_printf("%u", t->threads);
	case UID:
		return cli_printf("%u", t->uid);
	case COMM:
		return cli_strdup(t->comm);
	default:
		return cli_strdup(t->command);
	}
}

/* What a task hangs below: a thread below its process, a process below its parent. */
static pid_t above(const struct pidspace_task *t)
{
	return t->pid != process(t) ? t->tgid : t->ppid;
}

struct tree {
	const struct pidspace_task *tasks;
	size_t n;
	size_t *order; /* tasks sorted by container, above, pid: the children of one stand together */
	size_t *ret;   /* indices in the order to print */
	char **branches;
	size_t n_ret;
	bool *placed;
};

static int by_parent(const void *pa, const void *pb, void *arg)
{
	const struct pidspace_task *tasks = arg, *a = &tasks[*(const size_t *)pa],
				   *b = &tasks[*(const size_t *)pb];
	int r = strcmp(a->container, b->container);

	if (r)
		return r;
	if (above(a) != above(b))
		return above(a) < above(b) ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* Where the children of (container, pid) begin in order; ends where they end. */
static size_t children(const struct tree *t, const char *container, pid_t pid, size_t *ret_end)
{
	size_t low = 0, high = t->n, end;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct pidspace_task *m = &t->tasks[t->order[mid]];
		int r = strcmp(m->container, container);
		if (r < 0 || (r == 0 && above(m) < pid))
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < t->n; end++) {
		const struct pidspace_task *m = &t->tasks[t->order[end]];
		if (strcmp(m->container, container) || above(m) != pid)
			break;
	}
	*ret_end = end;
	return low;
}

/* Depth is that of the process tree, and a container's user decides how deep that is: so an own stack
 * instead of recursion. */
static void tree_place(struct tree *t, size_t root)
{
	struct level {
		size_t task, next, end;
		char *prefix; /* what the lines of its children begin with */
	} *stack = NULL;
	size_t depth = 0, cap = 0;
	size_t task = root;
	char *branch = cli_strdup(""), *prefix = cli_strdup("");

	for (;;) {
		t->placed[task] = true;
		t->branches[t->n_ret] = branch;
		t->ret[t->n_ret++] = task;
		if (depth == cap)
			stack = cli_alloc(stack, (cap = cap ? 2 * cap : 16) * sizeof *stack);
		stack[depth] = (struct level){.task = task, .prefix = prefix};
		stack[depth].next = children(t, t->tasks[task].container, t->tasks[task].pid,
					     &stack[depth].end);
		depth++;
		while (depth) {
			struct level *l = &stack[depth - 1];
			while (l->next < l->end && t->placed[t->order[l->next]])
				l->next++;
			if (l->next < l->end)
				break;
			free(l->prefix);
			depth--;
		}
		if (!depth)
			break;
		struct level *l = &stack[depth - 1];
		bool last = l->next + 1 == l->end;
		task = t->order[l->next++];
		branch = cli_printf("%s%s", l->prefix, last ? "`- " : "|- ");
		prefix = cli_printf("%s%s", l->prefix, last ? "   " : "|  ");
	}
	free(stack);
}

static int by_pid(const void *pa, const void *pb, void *arg)
{
	const struct pidspace_task *tasks = arg, *a = &tasks[*(const size_t *)pa],
				   *b = &tasks[*(const size_t *)pb];
	int r = strcmp(a->container, b->container);

	return r ? r : a->pid < b->pid ? -1 : a->pid > b->pid;
}

static bool parent_present(const struct tree *t, const size_t *sorted, const struct pidspace_task *task)
{
	for (size_t low = 0, high = t->n; low < high;) {
		size_t mid = (low + high) / 2;
		const struct pidspace_task *m = &t->tasks[sorted[mid]];
		int r = strcmp(m->container, task->container);
		if (r == 0 && m->pid == above(task))
			return true;
		if (r < 0 || (r == 0 && m->pid < above(task)))
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Roots are those whose parent is not among the tasks: init, and what entered from outside. */
static void tree_order(struct tree *t, const struct pidspace_task *tasks, size_t n)
{
	size_t *sorted = cli_alloc(NULL, (n + 1) * sizeof *sorted);

	*t = (struct tree){.tasks = tasks, .n = n};
	t->order = cli_alloc(NULL, (n + 1) * sizeof *t->order);
	t->ret = cli_alloc(NULL, (n + 1) * sizeof *t->ret);
	t->branches = cli_alloc(NULL, (n + 1) * sizeof *t->branches);
	t->placed = cli_alloc(NULL, (n + 1) * sizeof *t->placed);
	for (size_t i = 0; i < n; i++) {
		t->order[i] = sorted[i] = i;
		t->placed[i] = false;
	}
	qsort_r(t->order, n, sizeof *t->order, by_parent, (void *)tasks);
	qsort_r(sorted, n, sizeof *sorted, by_pid, (void *)tasks);
	for (size_t i = 0; i < n; i++)
		if (!t->placed[i] && !parent_present(t, sorted, &tasks[i]))
			tree_place(t, i);
	/* Tasks were read one after the other; what changed its parent meanwhile may form a ring. */
	for (size_t i = 0; i < n; i++)
		if (!t->placed[i])
			tree_place(t, i);
	free(sorted);
}

static void show_table(const struct show_tasks *o, const struct pidspace_task *tasks, size_t n)
{
	enum column list[N_COLUMNS];
	const char *bad;
	struct table table = {0};
	struct tree tree = {0};
	int n_list = o->columns ? columns_parse(o->columns, list, &bad) : columns_default(o, list);

	for (int i = 0; i < n_list; i++)
		table_column(&table, columns[list[i]].title, columns[list[i]].right);
	if (o->tree)
		tree_order(&tree, tasks, n);
	for (size_t i = 0; i < n; i++) {
		const struct pidspace_task *t = &tasks[o->tree ? tree.ret[i] : i];
		for (int k = 0; k < n_list; k++) {
			char *text = cell(t, list[k]);
			if (o->tree && (list[k] == COMMAND || list[k] == COMM)) {
				char *with = cli_printf("%s%s", tree.branches[i], text);
				free(text);
				text = with;
			}
			table_cell(&table, text);
		}
	}
	table_print(&table);
	for (size_t i = 0; i < tree.n_ret; i++)
		free(tree.branches[i]);
	free(tree.order);
	free(tree.ret);
	free(tree.branches);
	free(tree.placed);
}

static void show_json(const struct show_tasks *o, const struct pidspace_task *tasks, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		const struct pidspace_task *t = &tasks[i];
		char state[2] = {t->state, 0};
		struct json_object *j = json_object_new_object();
		if (*t->container)
			json_add_text(j, "container", t->container);
		json_add_int(j, "pid", process(t));
		if (o->threads)
			json_add_int(j, "tid", t->pid);
		if (t->host_pid)
			json_add_int(j, "host_pid", t->host_pid);
		json_add_int(j, "ppid", t->ppid);
		json_add_int(j, "pgid", t->pgid);
		json_add_int(j, "sid", t->sid);
		json_add_text(j, "state", state);
		json_add_int(j, "cpu_ns", (int64_t)t->cpu_ns);
		json_add_int(j, "rss_bytes", (int64_t)t->rss_bytes);
		if (t->start_ns)
			json_add_time(j, "start", t->start_ns);
		json_add_int(j, "threads", t->threads);
		json_add_int(j, "uid", t->uid);
		json_add_text(j, "comm", t->comm);
		json_add_text(j, "command", t->command);
		json_object_array_add(list, j);
	}
	json_print(list);
}

void show_tasks(const struct show_tasks *o, const struct pidspace_task *tasks, size_t n)
{
	if (o->json)
		show_json(o, tasks, n);
	else
		show_table(o, tasks, n);
}
