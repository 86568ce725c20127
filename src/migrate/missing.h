#pragma once
/* Which addresses of one address space may still lack their content, and where that content has its place in the
 * numbering of the source it comes from. A process goes on while pages are missing: it moves, drops and
 * copies them without ever having had them, and the map follows. Addresses are bytes, whole pages. */
#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"

struct missing_range {
	uint64_t start, end; /* now */
	uint64_t origin;     /* where start lay when the source was written */
};

struct missing {
	VEC(struct missing_range) range; /* sorted by start, apart from each other */
};
void missing_done(struct missing *m);

/* What the source has between start and end belongs at the same addresses. Ranges are added from the lowest to
 * the highest. -ENOMEM. */
int missing_add(struct missing *m, uint64_t start, uint64_t end);

/* Nothing of the source belongs between start and end any more: it was unmapped, or reads as zero. -ENOMEM:
 * a range in the middle of another takes memory. */
int missing_drop(struct missing *m, uint64_t start, uint64_t end);

/* mremap(2): what belonged at from belongs at to now; what belonged there is gone. -ENOMEM. */
int missing_move(struct missing *m, uint64_t from, uint64_t to, uint64_t bytes);

/* fork(2). -ENOMEM. */
int missing_copy(struct missing *to, const struct missing *from);

/* Where the content of the page at address lies in the source; false: it has none, the page is zero. */
bool missing_origin(const struct missing *m, uint64_t address, uint64_t *ret_origin);

/* The piece of the source's [start, end) that has the lowest place now at or above `from`: false, there is
 * none. *ret->origin is where it lies in the source, between start and end. */
bool missing_next_place(const struct missing *m, uint64_t start, uint64_t end, uint64_t from,
			struct missing_range *ret);
