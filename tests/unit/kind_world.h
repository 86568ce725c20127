#pragma once
/* A save and a restore of this process's own descriptors, without an engine: what a test of
 * src/kinds needs. world_add() descriptors, world_save(), destroy the originals, world_restore(). */
#include "checkpoint/context.h"
#include "open_file.pb-c.h"

struct world {
	struct save s;
	struct restore r;
	int image;           /* memfd */
	VEC(OpenFile) files; /* bodies are malloc'd */
	struct pidspace_error err;
	bool keep_objects;   /* world_restore() leaves r.objects open, as while tasks are made */
};

void world_init(struct world *w);

/* Adds a description; returns its id (1..). */
uint32_t world_add(struct world *w, int fd);

/* Saves all. 0, or the negative result of the first kind that failed (w->err says why). */
int world_save(struct world *w);

/* Closes our duplicates of what was saved, as the engine does after the tree was killed: kill runs
 * before_kill() first. */
void world_forget(struct world *w, bool kill);

/* Makes and connects all. 0, or -errno with w->err. */
int world_restore(struct world *w);

/* The restored descriptor; w keeps it. */
int world_fd(const struct world *w, uint32_t id);

/* The refusal with this code, or NULL. */
const struct refusal *world_refused(const struct world *w, const char *code);

void world_done(struct world *w);
