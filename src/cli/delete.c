#include <unistd.h>

#include "cli.h"

static const struct cli_option options[] = {
	{'f', "force", NULL, "kill what still runs"},
	{0},
};

static int delete(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	bool force = false;
	int status = 0;

	while (cli_getopt(c, argc, argv) != -1)
		force = true;
	cli_operands(c, argc, 1, -1);
	for (; optind < argc; optind++)
		if (pidspace_delete(cli_registry(c), argv[optind], force, &err) < 0)
			status = cli_fail(&err);
	return status;
}

const struct cli_command command_delete = {
	"delete", "NAME...", "Forget containers that have ended", options, false, delete,
};
