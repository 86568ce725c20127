#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "json.h"
#include "refusals.h"
#include "table.h"

static const struct cli_option options[] = {
	{'f', "format", "FORMAT", "text or json"},
	{0},
};

static int check_host(bool json)
{
	struct pidspace_feature *rows = NULL;
	struct pidspace_error err = {0};
	struct table t = {0};
	struct json_object *list;
	size_t n = 0;

	if (pidspace_check_host(&rows, &n, &err) < 0)
		return cli_fail(&err);
	if (json) {
		list = json_object_new_array();
		for (size_t i = 0; i < n; i++) {
			struct json_object *o = json_object_new_object();
			json_add_text(o, "name", rows[i].name);
			json_add_bool(o, "present", rows[i].present);
			json_add_text(o, "since", rows[i].since);
			json_add_text(o, "costs", rows[i].costs);
			json_object_array_add(list, o);
		}
		json_print(list);
	} else {
		table_column(&t, "FEATURE", false);
		table_column(&t, "HERE", false);
		table_column(&t, "SINCE", false);
		table_column(&t, "WITHOUT IT", false);
		for (size_t i = 0; i < n; i++) {
			table_cell(&t, cli_strdup(rows[i].name));
			table_cell(&t, cli_strdup(rows[i].present ? "yes" : "no"));
			table_cell(&t, cli_strdup(rows[i].since));
			table_cell(&t, cli_strdup(rows[i].costs));
		}
		table_print(&t);
	}
	free(rows);
	return 0;
}

static int check_container(struct cli *c, const char *name, bool json)
{
	struct pidspace_refusal *refusals = NULL;
	struct pidspace_error err = {0};
	size_t n = 0;

	if (pidspace_check(cli_registry(c), name, &refusals, &n, &err) < 0)
		return cli_fail(&err);
	if (json)
		json_print(refusals_json(refusals, n));
	else if (n == 0)
		printf("container '%s' can be checkpointed\n", name);
	else
		refusals_print(stdout, refusals, n);
	free(refusals);
	return n > 0;
}

static int check(struct cli *c, int argc, char **argv)
{
	bool json = false;

	while (cli_getopt(c, argc, argv) != -1)
		json = cli_format(c, optarg);
	cli_operands(c, argc, 0, 1);
	return optind < argc ? check_container(c, argv[optind], json) : check_host(json);
}

const struct cli_command command_check = {
	"check", "[NAME]", "Say what this host offers, or what would stop a checkpoint", options, false,
	check,
};
