#pragma once
/* What run and restore share. */
#include "container/monitor.h"

/* Connects the monitor's session: the user's stdio, or the log when detached. ret_inner: the
 * container's ends, the caller's; -1: /dev/null. */
int run_stdio(struct monitor *m, bool detach, bool terminal, const int user[3], int ret_inner[3],
	      struct pidspace_error *err);

int run_write_pid_file(const char *path, struct hpid pid, struct pidspace_error *err);

/* Is the monitor until the end and frees the entry. -ECANCELED E_CHECKPOINTED. */
int run_foreground(struct monitor *m, int *ret_status, struct pidspace_error *err);
