#pragma once
/* One block of pages on its way into the stream: the lent buffer, its runs without the zero pages, its
 * compressed form. Prepared by any thread, encoded by the one that writes. */
#include <sys/uio.h>

#include "image/compress.h"
#include "image/crc32c.h"
#include "image/format.h"

struct page_block {
	uint8_t *data;   /* IMAGE_BLOCK bytes, mapped once */
	uint8_t *packed; /* the same size, mapped at first use */

	/* given */
	uint16_t type; /* FRAME_PAGES or FRAME_EARLY_PAGES */
	uint32_t space_id, phase, number;
	size_t n_given;
	struct image_run given[FORMAT_MAX_RUNS];

	/* prepared */
	struct format_pages pages;
	uint32_t data_crc;
	uint64_t start, end;    /* addresses: everything lies between */
	size_t n_pieces;        /* what the data is made of, in order */
	struct iovec piece[FORMAT_MAX_RUNS];
	uint8_t lead[FORMAT_HEAD_LEN + FORMAT_MAX_LEAD]; /* frame header and all before the data */
};

/* Memory for blocks: not inherited by children, who would make us copy every page we refill. NULL. */
void *page_block_map(size_t bytes);
void page_block_unmap(void *p, size_t bytes);

/* -EINVAL: the runs are not whole pages, or more than the buffer. Copies them. */
int page_block_give(struct page_block *b, const struct image_run *runs, size_t n);

/* Finds zero pages, compresses, computes the crc. */
void page_block_prepare(struct page_block *b, enum image_compress c, int level, struct compress_state *s,
			const struct crc32c *crc);

/* Writes header and lead for a frame that begins at file offset `at`; returns the lead's length. */
size_t page_block_encode(struct page_block *b, uint64_t at, const struct crc32c *crc);
