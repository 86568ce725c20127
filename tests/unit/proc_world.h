#pragma once
/* A small container for the tests of /proc: real processes with numbers that we made up.
 *
 *   1 ─┬─ 2      sleeps, two more threads (3, 4)
 *      └─ 5      a session and group of its own, the caller of most tests; has timers, locks on the file
 *                "lock" in dir, a pidfd of 2 (descriptor 200), and shared memory
 *
 * All of them wait for the test to end. Whoever is not in the tree, the test itself for one, is outside. */
#include "virtual/proc_view.h"

#define WORLD_TASKS 16
#define WORLD_PIDFD 200
#define WORLD_LOCKED 201

struct world {
	struct {
		pid_t host, vpid;
		bool process;
	} task[WORLD_TASKS];
	size_t n;
	int die; /* everyone ends when this is closed */
	pid_t init;
	struct pid_view pids;
	struct proc_view view;
	char dir[64]; /* for links and the like */
};

/* Starts the tree and a view of it; world_done() ends it. */
void world_new(struct world *w);
/* The same tree in a PID namespace of its own with its own /proc, which is below /proc/(w->init)/root; there is
 * no view of it. false: this user may make none. */
bool world_new_space(struct world *w);
void world_done(struct world *w);

pid_t world_host(const struct world *w, pid_t vpid);
struct proc_caller world_caller(const struct world *w, pid_t tgid, pid_t tid);

/* open(2) of the path by c: the descriptor or -errno; -EXDEV: it is not in /proc, -EXFULL: a magic link leads out. */
int world_open(struct world *w, struct proc_caller c, int dirfd, const char *path, int flags);
/* The same by task 5, to read. */
int world_open_path(struct world *w, const char *path);

/* For cmocka: *state is a world. */
int world_setup(void **state);
int world_teardown(void **state);
