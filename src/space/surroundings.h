#pragma once
/* What a container's processes find around them: mounts, devices, host name, pid_max. */
#include "space/space.h"

/* Runs as the first process of the new namespaces. *ret_proc_fd: the container's procfs as a mount
 * of its own, attached nowhere, so that no mount made inside can cover any of it. */
int surroundings_make(const struct space_options *o, int *ret_proc_fd, struct pidspace_error *err);

/* A new procfs of the calling process's PID namespace as a mount attached nowhere. -errno. */
int surroundings_new_proc(void);

/* What is mounted on path as a mount attached nowhere, without the mounts below it. -errno. */
int surroundings_detach(const char *path);
