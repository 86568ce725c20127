#pragma once
/* --help, from the tables of options. */
#include "cli.h"

void usage_program(const struct cli_command *const *commands, size_t n);
void usage_command(const struct cli_command *command);
