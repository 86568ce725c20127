#pragma once
/* The end of a process that is not our child. */
#include "ids/task_ref.h"

/* The wait status of a process that has exited: the kernel keeps it for those who hold a pidfd once
 * somebody has reaped the process (Linux 6.15), which may take a moment. -1: nobody can tell. */
int orphan_status(const struct task_ref *ref);
