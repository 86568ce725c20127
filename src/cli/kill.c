#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "signal_name.h"

static const struct cli_option options[] = {
	{'s', "signal", "SIG", "a name, with or without SIG, or a number (TERM)"},
	{'a', "all", NULL, "to every process"},
	{0},
};

static int kill_main(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	bool all = false;
	int sig = SIGTERM, key;
	const char *name;
	pid_t *pids;
	size_t n = 0;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		if (key == 'a')
			all = true;
		else if ((sig = signal_name_parse(optarg)) < 0)
			cli_usage(c, "'%s' is no signal", optarg);
	}
	cli_operands(c, argc, 1, -1);
	name = argv[optind++];
	if (all && optind < argc)
		cli_usage(c, "--all and pids exclude each other");
	pids = cli_alloc(NULL, (size_t)(argc - optind + 1) * sizeof *pids);
	while (optind < argc)
		pids[n++] = (pid_t)cli_number(c, "pid", argv[optind++], 1, INT_MAX);
	if (pidspace_kill(cli_registry(c), name, sig, pids, n, all, &err) < 0)
		return cli_fail(&err);
	free(pids);
	return 0;
}

const struct cli_command command_kill = {
	"kill", "NAME [PID...]", "Send a signal to processes by the container's pids (none: pid 1)",
	options, false, kill_main,
};
