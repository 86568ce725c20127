#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

enum { HOST = CLI_LONG };

static const struct cli_option options[] = {
	{HOST, "host", "PID", "which container and which of its pids this host pid is"},
	{0},
};

static int pid_main(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	pid_t host = 0, pid;
	char *name = NULL;

	while (cli_getopt(c, argc, argv) != -1)
		host = (pid_t)cli_number(c, "pid", optarg, 1, INT_MAX);
	if (host) {
		cli_operands(c, argc, 0, 0);
		if (pidspace_guest_pid(cli_registry(c), host, &name, &pid, &err) < 0)
			return cli_fail(&err);
		printf("%s %d\n", name, pid);
		free(name);
		return 0;
	}
	cli_operands(c, argc, 2, 2);
	pid = (pid_t)cli_number(c, "pid", argv[optind + 1], 1, INT_MAX);
	if (pidspace_host_pid(cli_registry(c), argv[optind], pid, &host, &err) < 0)
		return cli_fail(&err);
	printf("%d\n", host);
	return 0;
}

const struct cli_command command_pid = {
	"pid", "NAME PID | --host PID", "Translate a container's pid to the host's, or back", options, false,
	pid_main,
};
