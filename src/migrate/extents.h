#pragma once
/* The extents of one address space in a source of pages, to be found by address. An extent is what can be
 * fetched at once; it lies between two addresses and need not fill what is between. Extents may
 * overlap: of a page that is in several, the one with the highest number counts. */
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct extent {
	size_t number;       /* in the source */
	uint64_t start, end; /* bytes */
};

struct extents {
	VEC(struct extent) at; /* by start once sorted */
	uint64_t *reach;       /* the highest end of this one and all before it */
};

/* -ENOMEM. */
int extents_add(struct extents *x, size_t number, uint64_t start, uint64_t end);
/* Once, after all were added. -ENOMEM. */
int extents_sort(struct extents *x);
void extents_done(struct extents *x);

/* Those between *ret_first and *ret_end, in x->at, are all that touch [start, end), and maybe some that do not. */
void extents_between(const struct extents *x, uint64_t start, uint64_t end, size_t *ret_first, size_t *ret_end);

/* The one of the highest number that touches [start, end) and for which done[] is not set yet (done[i] belongs to
 * x->at.at[i]); SIZE_MAX: none. Its place in x->at. */
size_t extents_youngest(const struct extents *x, uint64_t start, uint64_t end, const uint8_t *done);
