#include "checkpoint/stats.h"

#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void stats_enter(struct engine_stats *st, enum engine_phase phase)
{
	uint64_t now = now_ns();

	if (!st->start_ns)
		st->start_ns = now;
	if (st->now != PHASE_NONE)
		st->in_ns[st->now] += now - st->since_ns;
	st->now = phase;
	if (phase == PHASE_FREEZE)
		st->stopped_ns = now;
	st->since_ns = now;
	if (phase == PHASE_NONE)
		st->done_ns = now;
}

void stats_resumed(struct engine_stats *st)
{
	st->resumed_ns = now_ns();
}

const char *stats_phase_name(enum engine_phase phase)
{
	static const char *const names[PHASE_COUNT] = {
		[PHASE_NONE] = "none",
		[PHASE_READ] = "read",
		[PHASE_FILES] = "files",
		[PHASE_TREE] = "tree",
		[PHASE_ROUNDS] = "rounds",
		[PHASE_FREEZE] = "freeze",
		[PHASE_COLLECT] = "collect",
		[PHASE_METADATA] = "metadata",
		[PHASE_MEMORY] = "memory",
		[PHASE_COMMIT] = "commit",
		[PHASE_RELEASE] = "release",
		[PHASE_KILL] = "kill",
		[PHASE_TASKS] = "tasks",
		[PHASE_GATE] = "gate",
	};

	return names[phase];
}

uint64_t stats_paused_ns(const struct engine_stats *st)
{
	uint64_t ns = 0;

	if (st->resumed_ns)
		return st->resumed_ns - st->stopped_ns;
	for (int p = PHASE_FREEZE; st->in_ns[PHASE_COLLECT] && p <= PHASE_KILL; p++)
		ns += st->in_ns[p];
	return ns;
}
