#pragma once
/* Memory that a restore leaves out. What waits is private anonymous memory that no process shares: faults in it
 * go to a userfaultfd. All the rest (files' private pages, what children share, locked memory, content of files)
 * is restored as always. Whoever brings what was left out lives above: migrate/. */
#include "base/vec.h"
#include "image/index.h"
#include "space/space.h"
#include "tracee/hand.h"

struct lazy_range {
	uint64_t start, end; /* bytes; a mapping whose missing pages wait for somebody to bring them */
	bool huge;           /* the kernel would have given it huge pages */
};

struct lazy_space {
	uint32_t id;         /* AddressSpace.id */
	int uffd;            /* of its process; not blocking, the ranges registered */
	int process;         /* pidfd */
	VEC(struct lazy_range) ranges;
};

struct lazy_memory {
	VEC(struct lazy_space) spaces;
	bool *here;          /* by entry of the index: restored already */
	uint64_t extents;    /* entries that are not */
};

struct restore_lazy {
	const struct image_index *index;
	/* Called once, when nothing of the tree runs yet but its memory may be touched from now on: faults must be
	 * answered when it returns. m is the engine's, its descriptors are closed afterwards. -errno undoes
	 * the restore. Not called when nothing was left out. */
	int (*serve)(void *arg, const struct space *s, const struct lazy_memory *m, struct pidspace_error *err);
	/* Called after serve for a space that may have huge pages: a hand in it, which may be had by moving whole ones. Its
	 * socket is closed afterwards; whoever keeps it ends it. */
	void (*lend)(void *arg, uint32_t space_id, const struct hand *h);
	void *arg;
};
