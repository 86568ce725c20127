#include "usage.h"

#include <stdio.h>
#include <string.h>

void usage_program(const struct cli_command *const *commands, size_t n)
{
	printf("usage: pidspace [--root DIR] COMMAND [OPTION...] [ARGUMENT...]\n\n"
	       "Runs process trees that keep their pids, shows and signals them, writes them to an\n"
	       "image and brings them back.\n\n");
	for (size_t i = 0; i < n; i++)
		printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n  --root DIR   keep containers here (/run/pidspace for root, else\n"
	       "               $XDG_RUNTIME_DIR/pidspace)\n"
	       "  --help, -h   this text; 'pidspace COMMAND --help' for a command\n"
	       "  --version    the version\n\n"
	       "Manual: man pidspace, man pidspace-COMMAND.\n");
}

void usage_command(const struct cli_command *command)
{
	printf("usage: pidspace %s%s%s%s\n\n%s.\n", command->name,
	       command->options->name ? " [OPTION...]" : "", *command->operands ? " " : "",
	       command->operands, command->summary);
	if (command->options->name)
		printf("\n");
	for (const struct cli_option *o = command->options; o->name; o++) {
		char left[64];
		int n = o->key < CLI_LONG ? snprintf(left, sizeof left, "-%c, ", o->key)
					  : snprintf(left, sizeof left, "    ");
		snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		printf(strlen(left) > 24 ? "  %s\n%28s%s\n" : "  %-24s%s%s\n", left, "  ", o->help);
	}
}
