#pragma once
/* PID virtualization: a container whose pids are the kernel's, converted at the user/kernel boundary. */
#include "ids/task_ref.h"
#include "virtual/place.h"

struct virtual_options {
	pid_t pid_max;   /* 0: 4194304 */
};

/* Makes the warden, and vpid 1 as its child, which runs first(arg) under the filter. */
struct virtual_pids {
	struct task_ref init, warden;
	int memfd;
	struct place place;
};
int virtual_spawn(struct virtual_pids *ret, const struct virtual_options *o, int (*first)(void *arg), void *arg,
		  struct pidspace_error *err);
