#include <unistd.h>

#include "cli.h"

static const struct cli_option options[] = {{0}};

static int pause_main(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	int status = 0;

	cli_getopt(c, argc, argv);
	cli_operands(c, argc, 1, -1);
	for (; optind < argc; optind++)
		if (pidspace_pause(cli_registry(c), argv[optind], &err) < 0)
			status = cli_fail(&err);
	return status;
}

const struct cli_command command_pause = {
	"pause", "NAME...", "Stop all processes of containers until resume", options, false, pause_main,
};
