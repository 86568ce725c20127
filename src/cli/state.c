#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "describe.h"
#include "json.h"
#include "table.h"

static const struct cli_option options[] = {
	{'f', "format", "FORMAT", "text or json"},
	{0},
};

static void show(struct pidspace_info *i)
{
	time_t s = (time_t)(i->created_ns / 1000000000);
	char created[32];
	struct tm tm;

	strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S", localtime_r(&s, &tm));
	printf("name:      %s\nid:        %s\nstate:     %s\npids:      %s\n", i->name, i->id,
	       describe_state(i->state), describe_pids(i->pids));
	if (i->host_pid)
		printf("host pid:  %d\n", i->host_pid);
	if (i->monitor_host_pid)
		printf("monitor:   %d\n", i->monitor_host_pid);
	if (i->memory_arriving)
		puts("memory:    arriving");
	printf("tasks:     %zu\ncreated:   %s\n", i->tasks, created);
	if (i->state == PIDSPACE_STOPPED && i->exit_status >= 0)
		printf("exit:      %d\n", cli_exit_status(i->exit_status));
	if (i->state == PIDSPACE_STOPPED && i->exit_status < 0)
		printf("exit:      unknown\n");
	if (*i->reason)
		printf("reason:    %s\n", i->reason);
	printf("command:   %s\n", table_harmless(i->command));
	if (*i->log)
		printf("log:       %s\n", i->log);
}

static int state(struct cli *c, int argc, char **argv)
{
	struct pidspace_info info;
	struct pidspace_error err = {0};
	bool json = false;

	while (cli_getopt(c, argc, argv) != -1)
		json = cli_format(c, optarg);
	cli_operands(c, argc, 1, 1);
	if (pidspace_state(cli_registry(c), argv[optind], &info, &err) < 0)
		return cli_fail(&err);
	if (json)
		json_print(describe_json(&info));
	else
		show(&info);
	return 0;
}

const struct cli_command command_state = {
	"state", "NAME", "Show the state of a container", options, false, state,
};
