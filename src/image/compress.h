#pragma once
/* LZ4 and Zstandard over one block. A state belongs to one thread at a time; zero is a valid, empty
 * one, and memory is taken at first use only. */
#include <stddef.h>

#include "image/image.h"

struct compress_state {
	void *lz4, *lz4_high;
	void *zstd_in, *zstd_out;
};

void compress_done(struct compress_state *s);

/* Bytes written to out, or 0 when the result would not fit into cap (or without memory): store it raw. The level as
 * lz4(1) and zstd(1) count: 1 is fast, IMAGE_LZ4_MOST and IMAGE_ZSTD_MOST are small. */
size_t compress_block(struct compress_state *s, enum image_compress c, int level, void *out, size_t cap,
		      const void *in, size_t len);

/* Fills exactly len bytes, never more, whatever the input. 0; -EBADMSG: the input is not that;
 * -ENOMEM. */
int decompress_block(struct compress_state *s, enum image_compress c, void *out, size_t len,
		     const void *in, size_t in_len);
