#pragma once
/* One stopped task of a tree: what checkpoint/ keeps of it, and kinds/ work on. */
#include "tracee/tracee.h"

struct frozen_task {
	struct tracee t;
	struct vpid tid, tgid;
	uint64_t ran_ns;   /* when it last ran before the stop, CLOCK_MONOTONIC; 0: unknown */
	uint64_t slept;    /* how often it had gone to sleep by then (nr_voluntary_switches) */
	bool zombie;       /* exited: a process waiting to be reaped, or a leader whose threads go on */
	bool lost;         /* vanished meanwhile */
	bool was_locked;   /* made dumpable for the time of a save */
	uint64_t brk;      /* of its process, once asked */
};
