#include <unistd.h>

#include "cli.h"

static const struct cli_option options[] = {{0}};

static int resume_main(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	int status = 0;

	cli_getopt(c, argc, argv);
	cli_operands(c, argc, 1, -1);
	for (; optind < argc; optind++)
		if (pidspace_resume(cli_registry(c), argv[optind], &err) < 0)
			status = cli_fail(&err);
	return status;
}

const struct cli_command command_resume = {
	"resume", "NAME...", "Let paused containers run on", options, false, resume_main,
};
