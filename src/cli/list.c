#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "describe.h"
#include "json.h"
#include "table.h"

static const struct cli_option options[] = {
	{'q', "quiet", NULL, "names only"},
	{'f', "format", "FORMAT", "text or json"},
	{0},
};

static void show_json(const struct pidspace_info *all, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, describe_json(&all[i]));
	json_print(list);
}

static void show_table(const struct pidspace_info *all, size_t n)
{
	struct table t = {0};

	table_column(&t, "NAME", false);
	table_column(&t, "STATE", false);
	table_column(&t, "PIDS", false);
	table_column(&t, "HOST", true);
	table_column(&t, "TASKS", true);
	table_column(&t, "CREATED", false);
	table_column(&t, "COMMAND", false);
	for (size_t i = 0; i < n; i++) {
		time_t s = (time_t)(all[i].created_ns / 1000000000);
		char created[32];
		struct tm tm;
		strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S", localtime_r(&s, &tm));
		table_cell(&t, cli_strdup(all[i].name));
		table_cell(&t, cli_strdup(describe_state(all[i].state)));
		table_cell(&t, cli_strdup(describe_pids(all[i].pids)));
		table_cell(&t, all[i].host_pid ? cli_printf("%d", all[i].host_pid) : cli_strdup("-"));
		table_cell(&t, cli_printf("%zu", all[i].tasks));
		table_cell(&t, cli_strdup(created));
		table_cell(&t, cli_strdup(all[i].command));
	}
	table_print(&t);
}

static int list(struct cli *c, int argc, char **argv)
{
	struct pidspace_info *all = NULL;
	struct pidspace_error err = {0};
	bool quiet = false, json = false;
	size_t n = 0;
	int key;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		if (key == 'q')
			quiet = true;
		else if (key == 'f')
			json = cli_format(c, optarg);
	}
	cli_operands(c, argc, 0, 0);
	if (pidspace_list(cli_registry(c), &all, &n, &err) < 0)
		return cli_fail(&err);
	if (json)
		show_json(all, n);
	else if (!quiet)
		show_table(all, n);
	for (size_t i = 0; quiet && !json && i < n; i++)
		puts(all[i].name);
	free(all);
	return 0;
}

const struct cli_command command_list = {
	"list", "", "List the containers", options, false, list,
};
