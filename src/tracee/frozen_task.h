#pragma once
/* One stopped task of a tree: what checkpoint/ keeps of it, and kinds/ work on. */
#include "kernel/proc_stat.h"
#include "tracee/tracee.h"

struct frozen_task {
	struct tracee t;
	struct vpid tid, tgid;
	struct proc_stat stat; /* of a leader, read when everything stood still */
	uint64_t ran_ns;   /* when it last ran before the stop, CLOCK_MONOTONIC; 0: unknown */
	uint64_t slept;    /* how often it had gone to sleep by then (nr_voluntary_switches) */
	bool zombie;       /* exited: a process waiting to be reaped, or a leader whose threads go on */
	bool lost;         /* vanished meanwhile */
	bool was_locked;   /* made dumpable for the time of a save */
	struct told {      /* what the first live thread of a process answered */
		uint64_t brk;      /* 0: not asked */
		uint64_t root[3];  /* device, inode and mount of its "/"; all 0: not told */
		char *cwd;         /* below that root; NULL: not told, or not reachable from there */
		uint8_t *auxv;     /* NULL: not told */
		size_t auxv_len;   /* with AT_NULL */
	} told;
};
