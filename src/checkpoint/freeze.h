#pragma once
/* A stopped tree, as the engine's own files see it (checkpoint.h shows it to the rest as opaque). */
#include "base/vec.h"
#include "checkpoint/checkpoint.h"
#include "tracee/tracee.h"

struct frozen_task {
	struct tracee t;
	struct vpid tid, tgid;
	uint64_t ran_ns;   /* when it last ran before the stop, CLOCK_MONOTONIC; 0: unknown */
	bool zombie;       /* exited: a process waiting to be reaped, or a leader whose threads go on */
	bool lost;         /* vanished meanwhile */
	uint64_t brk;      /* of its process, once asked */
};

struct frozen {
	const struct space *space;
	VEC(struct frozen_task *) tasks; /* processes in order of pid, each leader before its threads */
	size_t processes;
	uint64_t stop_ns;  /* CLOCK_MONOTONIC when everything stood still */
	bool killed;
};

/* The task with this tid, or NULL. */
struct frozen_task *freeze_find(const struct frozen *f, struct vpid tid);
uint64_t freeze_now(void);
