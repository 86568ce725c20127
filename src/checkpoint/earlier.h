#pragma once
/* Pages that the stream holds already when the tree stops, because they were copied while it still ran. Who
 * watches and copies memory is above us (migrate/); this is what a save asks it. All calls come while the
 * tree stands still. */
#include "base/vec.h"
#include "image/image.h"
#include "ids/ids.h"

struct page_range { /* bytes, whole pages */
	uint64_t start, end;
};
typedef VEC(struct page_range) page_ranges; /* sorted, disjoint */

struct earlier {
	struct image_writer *out; /* the stream they are in, opened for early pages; borrowed */
	void *arg;
	/* The pages of process pid, whose pagemap this is, that hold what was copied last. *ret_id is the id of
	 * these early pages; 0: nothing is known of its memory, and all is to be copied. Whatever cannot be proved
	 * is left out. Called from several threads, for different processes. -errno. */
	int (*unchanged)(void *arg, struct vpid pid, int pagemap, uint32_t *ret_id, page_ranges *ret);
	/* A mapping of process pid is under write protection by userfaultfd: by ours? */
	bool (*watches)(void *arg, struct vpid pid, uint64_t start, uint64_t end);
};
