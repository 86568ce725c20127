#pragma once
/* Further processes of a container with virtual pids (pidspace exec). They have to be descendants of vpid 1, or their
 * orphans would not become its children; so a hidden child of vpid 1, the spawner, forks them. It listens on
 * spawn.sock beside control.sock, says that a process runs and later how it ended, over one connection each, and
 * dies with the container. Should the warden be killed, it ends the container. Only the monitor talks to it. */
#include "container/launch.h"
#include "container/registry.h"

/* The spawner itself, for virtual_options.spawner; arg: a listening socket (int *). */
void spawner_run(void *arg, int warden);

/* Makes the socket that it listens on. -errno. */
int spawner_listen(int dir_fd);

/* Has it start l (status is made here). *ret_connection becomes readable at its end. -ENOENT E_EXEC and the others of
 * launch_await(). */
int spawner_start(struct entry *e, struct launch *l, int *ret_connection, struct task_ref *ret, int *ret_master,
		  struct pidspace_error *err);

/* The wait status that the connection tells. A spawner that is gone was killed with all of the container. */
int spawner_await(int connection);
