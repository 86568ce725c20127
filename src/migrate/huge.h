#pragma once
/* Huge pages of an address space that is filled. Where they can be moved into place whole (whole.h) nothing is to be done;
 * UFFDIO_COPY makes small ones, so once all memory is there the areas that would have got huge ones are put together
 * again (madvise(2) MADV_COLLAPSE, Linux 6.1). Only an attempt: memory is right without it. */
#include <stdint.h>

#include "base/vec.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

enum huge_state {
	HUGE_MISSING, /* nothing of it was filled */
	HUGE_SMALL,   /* some small pages were */
	HUGE_WHOLE,   /* all at once */
};

struct huge_area {
	uint64_t start, end; /* bytes, whole huge pages inside a mapping that may have them */
	uint8_t *state;      /* enum huge_state of each */
};

struct huge {
	int process;         /* pidfd; -1: not known */
	VEC(struct huge_area) areas;
};
#define HUGE_NONE ((struct huge){.process = -1})

/* A mapping that may have huge pages. -ENOMEM. */
int huge_add(struct huge *h, uint64_t start, uint64_t end);

/* The state of the huge page around an address; NULL: none belongs there. */
uint8_t *huge_state_of(struct huge *h, uint64_t address);

/* Something was filled with small pages. */
void huge_note(struct huge *h, uint64_t start, uint64_t bytes);

/* Once no userfaultfd watches the space any more: before, the kernel refuses areas with gaps (hpage_collapse_scan_pmd()
 * in mm/khugepaged.c). What it refuses stays as it is. */
void huge_collapse(const struct huge *h);

void huge_done(struct huge *h); /* the pidfd too */
