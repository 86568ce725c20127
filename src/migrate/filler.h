#pragma once
/* Fills address spaces that run already: answers those who touch a page that is missing, pushes the rest, and
 * follows what processes do to their memory meanwhile. One thread; the source may have others.
 *
 * A space is *filled* by closing its userfaultfd, once every extent of the source was placed where
 * it belongs: then whatever is missing still is zero, which is what the kernel makes of it. A space whose process has
 * ended or executed another program is *gone*. A fork gives a new space that misses the same. */
#include "migrate/extents.h"
#include "migrate/huge.h"
#include "migrate/missing.h"
#include "migrate/page_source.h"
#include "tracee/hand.h"

struct page_space {
	int uffd;                       /* ours; -1: filled or gone */
	const struct extents *extents;  /* borrowed; shared by spaces that were forked */
	uint8_t *placed;                /* which of them */
	size_t left;                    /* how many are not */
	size_t next;                    /* of them: where pushing goes on */
	struct missing missing;
	struct huge huge;
	struct hand hand;               /* in it, if it was lent one */
	int hand_uffd;                  /* uffd, in that; -1: it has none */
	bool room_used;                 /* something may be left in its room */
};

struct waiting { /* somebody waits for this page */
	struct page_space *space;
	uint64_t page;
};

struct filler {
	struct page_source *source;
	int epoll;                       /* readable when there is something to serve */
	VEC(struct page_space *) spaces;
	VEC(struct waiting) waiting;
	struct page_space *current;      /* what is pushed: where the last fault was */
	struct held {                    /* an extent that goes on in the next huge page; whole.c */
		bool any;
		size_t number;
		struct image_frame frame;
	} held;
};

int filler_init(struct filler *f, struct page_source *source, struct pidspace_error *err);
void filler_done(struct filler *f);

/* Adds a space; takes over uffd (enabled, its ranges registered, not blocking), missing and huge, also when it
 * fails. */
int filler_add(struct filler *f, int uffd, const struct extents *extents, struct missing *missing,
	       struct huge *huge, struct pidspace_error *err);

/* Takes over a hand in that space. */
void filler_lend(struct filler *f, struct page_space *s, struct hand *h);
/* Once nothing is left: ends them. false: not all can be had now. */
bool filler_take_hands(struct filler *f);

/* Answers everything that is pending now. An error means that pages cannot be had: nobody who waits or will wait
 * may go on. */
int filler_serve(struct filler *f, struct pidspace_error *err);

/* Places one extent, of the space where the last fault was, behind it. 1; 0: nothing is left. */
int filler_push(struct filler *f, struct pidspace_error *err);

/* Extent i is being placed: the source is told which come next. */
void filler_expect(struct filler *f, const struct page_space *s, size_t i);

/* Once nothing is left: huge pages where there would have been some. */
void filler_make_huge(struct filler *f);
