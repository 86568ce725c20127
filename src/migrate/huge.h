#pragma once
/* Huge pages of an address space that is filled page by page: UFFDIO_COPY makes small ones, so once all memory is
 * there the areas that would have got huge ones are put together again (madvise(2) MADV_COLLAPSE, Linux
 * 6.1). Only an attempt: memory is right without it. */
#include <stdint.h>

#include "base/vec.h"

struct huge_area {
	uint64_t start, end; /* bytes, whole huge pages inside a mapping that may have them */
	uint8_t *filled;     /* which of them got something */
};

struct huge {
	int process;         /* pidfd; -1: not known */
	VEC(struct huge_area) areas;
};
#define HUGE_NONE ((struct huge){.process = -1})

/* A mapping that may have huge pages. -ENOMEM. */
int huge_add(struct huge *h, uint64_t start, uint64_t end);

/* Something was filled. */
void huge_note(struct huge *h, uint64_t start, uint64_t bytes);

/* Once no userfaultfd watches the space any more: before, the kernel refuses areas with gaps (hpage_collapse_scan_pmd()
 * in mm/khugepaged.c). What it refuses stays as it is. */
void huge_collapse(const struct huge *h);

void huge_done(struct huge *h); /* the pidfd too */
