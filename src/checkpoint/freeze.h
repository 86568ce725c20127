#pragma once
/* A stopped tree, as the engine's own files see it (checkpoint.h shows it to the rest as opaque). */
#include "base/vec.h"
#include "checkpoint/checkpoint.h"
#include "tracee/frozen_task.h"

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
