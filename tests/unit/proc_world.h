#pragma once
/* A small container for the tests of /proc: real processes with numbers that we made up.
 *
 *   1 ─┬─ 2      sleeps, two more threads (3, 4)
 *      └─ 5      a session and group of its own, the caller of most tests
 *
 * All of them wait for the test to end. Whoever is not in the tree, the test itself for one, is outside. */
#include "virtual/proc_view.h"

#define WORLD_TASKS 16

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

/* What init does: starts the others, who each write what they are to say_to, and ends when die is at its
 * end. In a new PID namespace their numbers are those above. Does not return. */
void world_run_init(int die, int say_to);

/* Starts the tree and a view of it; world_done() ends it. */
void world_new(struct world *w);
void world_done(struct world *w);

pid_t world_host(const struct world *w, pid_t vpid);
struct proc_caller world_caller(const struct world *w, pid_t tgid, pid_t tid);
