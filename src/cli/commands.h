#pragma once
/* One row a command; the order is that of `pidspace --help`. */
#include "cli.h"

extern const struct cli_command command_run, command_exec, command_ps, command_list, command_state,
	command_kill, command_pause, command_resume, command_wait, command_delete, command_log,
	command_pid, command_check, command_checkpoint, command_restore, command_inspect,
	command_verify;
