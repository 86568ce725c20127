/* pidspace: run, see, signal, checkpoint and restore process trees that keep their pids. */
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "usage.h"

static const struct cli_command *const commands[] = {
	&command_run,   &command_exec,       &command_ps,      &command_list,    &command_state,
	&command_kill,  &command_pause,      &command_resume,  &command_wait,    &command_delete,
	&command_log,   &command_pid,        &command_check,   &command_checkpoint,
	&command_restore, &command_inspect,  &command_verify,
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static const struct cli_command *find(struct cli *c, const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	cli_usage(c, "there is no command '%s'", name);
}

static int help(struct cli *c, int argc, char **argv)
{
	if (argc > 2)
		cli_usage(c, "help takes one command");
	if (argc == 2)
		usage_command(find(c, argv[1]));
	else
		usage_program(commands, N_COMMANDS);
	return cli_finish(0);
}

static const char *global_options(struct cli *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int key;

	opterr = 0;
	while ((key = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (key) {
		case 'r':
			c->root = optarg;
			break;
		case 'h':
			usage_program(commands, N_COMMANDS);
			exit(cli_finish(0));
		case 'V':
			printf("pidspace %s\n", PIDSPACE_VERSION);
			exit(cli_finish(0));
		default:
			cli_usage(c, "unknown or incomplete option '%s'", argv[optind - 1]);
		}
	}
	if (optind == argc)
		cli_usage(c, "which command?");
	return argv[optind];
}

int main(int argc, char **argv)
{
	struct cli c = {0};
	const char *name;
	int first, status;

	setlocale(LC_CTYPE, "");
	name = global_options(&c, argc, argv);
	first = optind;
	optind = 0; /* getopt_long(3): scan a new vector from its start */
	if (!strcmp(name, "help"))
		return help(&c, argc - first, argv + first);
	c.command = find(&c, name);
	status = c.command->main(&c, argc - first, argv + first);
	pidspace_close(c.registry);
	return cli_finish(status);
}
