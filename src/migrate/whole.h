#pragma once
/* A missing huge page, put into place whole: its bytes are written beside it, into the room of a hand, where the kernel
 * makes a huge page of them, and the hand moves that (UFFDIO_MOVE, Linux 6.8). One copy, no small pages, and whoever waits
 * sees all of it at once. */
#include "migrate/filler.h"

/* The one around an address. 1: it is there, and extents that have nothing more to place are marked; 0: it has to be filled
 * page by page: nobody can move it, or it is not missing as a whole; -errno: an extent cannot be had. */
int whole_place(struct filler *f, struct page_space *s, uint64_t address, struct pidspace_error *err);

/* Gives back what it kept of the source. */
void whole_forget(struct filler *f);
