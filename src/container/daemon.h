#pragma once
/* A process of its own for the monitor of a detached container. */
#include "container/control.h"

/* Forks it (a session of its own, not our child, stdio /dev/null, no descriptors but keep[n]) and runs
 * body(arg, sock) there, which says on sock how it went (control.h: progress, refusals, DONE), closes
 * it and goes on; when body returns the process exits. Waits for the DONE and returns its outcome. */
int daemon_start(void (*body)(void *arg, int sock), void *arg, const int *keep, size_t n_keep,
		 struct control_answer *a, struct pidspace_error *err);
