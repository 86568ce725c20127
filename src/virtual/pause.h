#pragma once
/* Stopping a container with virtual pids and letting it go on. Every thread is held by ptrace(2) from the calling thread;
 * should that die, all go on. */
#include "virtual/virtual.h"

struct virtual_pause;

/* Stops every thread; the container's warden goes on serving, so those that wait for it stop as well. -ETIMEDOUT
 * E_FREEZE: one does not stop (it waits in the kernel); all go on then. *v must outlive the pause. */
int virtual_pause(struct virtual_pause **ret, const struct virtual_pids *v, struct pidspace_error *err);

/* To be asked at each SIGCHLD: has vpid 1 been killed? Then nothing is left to pause, and virtual_resume() is due, or
 * the warden could not reap what we hold. */
bool virtual_pause_over(struct virtual_pause *p);

/* Lets all go on, each from where it was. NULL is fine. */
void virtual_resume(struct virtual_pause *p);
