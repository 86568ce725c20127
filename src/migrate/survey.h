#pragma once
/* Whose memory is worth watching, looked at while the tree stands still. */
#include "migrate/tracker.h"

typedef VEC(struct tracker *) trackers;

struct survey {
	const struct space *space;
	trackers watched;
	struct guard_cache guards;
	uint32_t next_id;      /* of early pages */
	uint64_t least_process, least_mapping; /* bytes: smaller ones are not watched */
	uint64_t bytes;        /* private memory of all processes that are worth it, at the last look */
	bool forbidden;        /* some process could not be entered: see why */
	char why[128];
};

/* Drops trackers whose process has ended or called exec, and enters processes that are worth it and not
 * watched yet, but only a few at a time, so that the tree does not stand still for long. *ret_left: how
 * many are still to be entered. -ENOMEM. */
int survey_stopped(struct survey *s, const struct frozen *f, size_t *ret_left, struct pidspace_error *err);

void survey_done(struct survey *s);
