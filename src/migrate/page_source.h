#pragma once
/* Where missing pages come from: the file of an image, or the other side of a migration. It holds numbered extents, the
 * frames of pages of a stream, and gives one when asked for it. */
#include "image/image.h"

struct page_source;

struct page_source_ops {
	/* Called once in the process that will fetch. */
	int (*begin)(struct page_source *s, struct pidspace_error *err);
	/* The extent, checked and decoded; *ret stays valid until it is released. At most two are held at once. */
	int (*fetch)(struct page_source *s, size_t number, struct image_frame *ret, struct pidspace_error *err);
	void (*release)(struct page_source *s, size_t number);
	/* It will be fetched soon: a source that can work ahead does. */
	void (*expect)(struct page_source *s, size_t number);
};

struct page_source {
	const struct page_source_ops *ops;
};

/* --- file_source.c --- */

struct image_index;

/* Extents are the entries of the index (borrowed, as is the descriptor it was opened on). NULL: no memory. */
struct page_source *file_source_new(const struct image_index *index);
void file_source_free(struct page_source *s);
