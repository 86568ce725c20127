#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { CWD = CLI_LONG, ENV };

static const struct cli_option options[] = {
	{'d', "detach", NULL, "return once it runs, and print its pid"},
	{'t', "terminal", NULL, "give it a terminal of its own (job control, window size)"},
	{CWD, "cwd", "DIR", "working directory inside, instead of the current one"},
	{ENV, "env", "K=V", "set a variable of its environment (again for more)"},
	{0},
};

static int exec(struct cli *c, int argc, char **argv)
{
	struct pidspace_exec o = {0};
	struct cli_strings env = {0};
	struct pidspace_error err = {0};
	int status = 0, key;
	pid_t pid = 0;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		switch (key) {
		case 'd': o.detach = true; break;
		case 't': o.terminal = true; break;
		case CWD: o.cwd = optarg; break;
		case ENV: cli_strings_add(&env, optarg); break;
		}
	}
	cli_operands(c, argc, 1, -1);
	o.name = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (optind == argc)
		cli_usage(c, "the command to run in '%s' is missing", o.name);
	if (o.terminal && !o.detach && !isatty(0))
		return cli_error("E_TERMINAL", "cannot give the process a terminal: standard input is "
				 "none; leave -t out, or add -d");
	o.argv = argv + optind;
	o.env = cli_environment(c, &env);
	cli_stdio(o.stdio);
	if (pidspace_exec(cli_registry(c), &o, &pid, &status, &err) < 0)
		return cli_fail(&err);
	if (!o.detach)
		return cli_exit_status(status);
	printf("%d\n", pid);
	return 0;
}

const struct cli_command command_exec = {
	"exec", "NAME -- COMMAND...", "Run a further process in a container", options, true, exec,
};
