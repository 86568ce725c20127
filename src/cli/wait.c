#include <unistd.h>

#include "cli.h"

static const struct cli_option options[] = {{0}};

static int wait_main(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	int status = 0;

	cli_getopt(c, argc, argv);
	cli_operands(c, argc, 1, 1);
	if (pidspace_wait(cli_registry(c), argv[optind], -1, &status, &err) < 0)
		return cli_fail(&err);
	if (status < 0)
		return cli_error("E_EXIT_UNKNOWN", "container '%s' has ended while no monitor lived, and "
				 "this kernel does not tell how", argv[optind]);
	return cli_exit_status(status);
}

const struct cli_command command_wait = {
	"wait", "NAME", "Wait until a container ends; the exit status is its own", options, false,
	wait_main,
};
