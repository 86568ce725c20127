#pragma once
/* What a living task needs before the first call is made in it, so that a lost tracer costs nothing: a place
 * where a signal frame may lie, and code of its own that returns through it (scratch.c says how). */
#include <sys/types.h>

#include "kernel/proc_maps.h"
#include "kernel/proc_stat.h"
#include "tracee/tracee.h"

/* Where the code was found in which file; zero is empty. */
struct guard_cache {
	VEC(struct {
		dev_t dev;
		ino_t ino;
		uint64_t offset; /* of the mapping in the file */
		int64_t at;      /* of the code in the mapping, -1: none */
	}) row;
};
void guard_cache_done(struct guard_cache *c);

/* Sets vdso, sigreturn and stack_below of a stopped task with these mappings. */
void guard_prepare(struct guard_cache *c, struct tracee *t, const struct proc_maps *maps);

/* A signal that the task would not notice: not pending, ignored by default, and not caught if there is such. */
int guard_quiet_signal(const struct proc_status *st);
