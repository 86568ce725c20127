#pragma once
/* Memory copied in rounds while the tree runs (pre-copy), so that it has to stand still only for what was
 * written last.
 *
 *     enter ─ release │ scan ─ stop, release ─ copy │ scan ─ stop, release ─ copy │ … │ stop: the rest
 *
 * A round scans what was written since the last (tracker.h), lets the tree stand still for a moment, in which
 * processes that have come meanwhile are entered, and copies the pages while the tree runs. What is written while
 * that goes on is the next round's. Rounds end when little is left, when they do not get shorter, or
 * after as many as were asked for. */
#include "checkpoint/checkpoint.h"

struct rounds;

struct rounds_options {
	const struct space *space;
	int image_fd;                 /* begins here: nothing has been written to it */
	struct image_options image;   /* how it is written */
	unsigned max_rounds;          /* not 0 */
	bool always;                  /* also where there is nothing to gain */
	struct engine_stats *stats;   /* rounds and bytes are counted there */
	engine_progress_fn *progress; /* may be NULL */
	void *progress_arg;
};

/* Copies. The caller's thread is the tracer. Afterwards the tree runs and its memory is watched, until
 * rounds_free(). *ret is NULL when there was nothing to gain or nothing can be watched: then image_fd is as it
 * was, and stats->no_rounds says why. -errno: the image cannot be written, or the tree cannot be stopped. */
int rounds_run(struct rounds **ret, const struct rounds_options *o, struct pidspace_error *err);

/* For checkpoint_run() of the tree, stopped after rounds_run(). Belongs to r. */
const struct earlier *rounds_earlier(const struct rounds *r);

/* Ends watching; best once the tree runs again. NULL is fine. */
void rounds_free(struct rounds *r);
