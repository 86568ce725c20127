#pragma once
/* What a container's new process does between its birth in the container's namespaces and its exec:
 * a session of its own, stdio, working directory, a clean state. */
#include <stdbool.h>
#include <sys/ioctl.h>

#include <pidspace/error.h>

struct launch {
	char *const *argv, *const *env;
	const char *cwd;   /* NULL: stay */
	bool terminal;     /* open a pty of the container and send its master up */
	struct winsize size; /* of that; rows 0: unknown */
	bool init_wrapper; /* become pid1.h and run the command as pid 2 */
	int stdio[3];      /* the process's 0 1 2; -1: /dev/null */
	int status;        /* socket to the launcher, closed by the exec */
};

/* Makes the socket pair: l->status is the process's end, *ret_ours the launcher's. */
int launch_prepare(struct launch *l, int *ret_ours, struct pidspace_error *err);

/* For space_spawn() and space_enter(); arg is a struct launch. */
int launch_first(void *arg);

/* The launcher, after it has closed its copy of l->status: waits until the program was executed.
 * *ret_master is the pty master, or -1. -ENOENT E_EXEC and others: it was not. */
int launch_await(int ours, int *ret_master, struct pidspace_error *err);
