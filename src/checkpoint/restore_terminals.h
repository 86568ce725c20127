#pragma once
#include "checkpoint/restore.h"

/* Process i, at `t`, has just become leader of its session: it takes its controlling terminal. Before
 * it forks, because only a fork hands the terminal on to the others of the session (copy_signal()). */
int restore_take_terminal(struct restore_engine *e, const Process *p, struct tracee *t,
			  struct pidspace_error *err);
