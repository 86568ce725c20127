#pragma once
/* Processes as a table, a tree or JSON: for ps and for inspect. */
#include "cli.h"

struct show_tasks {
	const char *columns; /* comma-separated names; NULL: what fits the rest */
	bool tree, threads, json;
	bool containers; /* several: say which each belongs to */
	bool images;     /* from an image: no host pids */
};

/* The list of column names for --help and for messages. */
extern const char show_tasks_columns[];

/* Leaves with a usage message if o->columns names one that does not exist. */
void show_tasks_check(struct cli *c, const struct show_tasks *o);

/* tasks[n] sorted by container, then pid. */
void show_tasks(const struct show_tasks *o, const struct pidspace_task *tasks, size_t n);
