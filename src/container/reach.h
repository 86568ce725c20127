#pragma once
/* From a command to the monitor of a container. */
#include "container/control.h"
#include "container/registry.h"

/* Connects to the monitor of container name. If that died while the container lives on, a new one is
 * started (space_adopt()). *ret_sock is the caller's. -ENOENT E_NO_CONTAINER, -ESRCH E_STOPPED. */
int reach_monitor(struct pidspace *p, const char *name, int *ret_sock, struct pidspace_error *err);

/* The same, and one whole conversation without strings; fds are borrowed. */
int reach_ask(struct pidspace *p, const char *name, struct control_request *q,
	      struct control_answer *a, struct pidspace_error *err);
