#include "image/compress.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <lz4.h>
#include <zstd.h>

/* The tree stands still meanwhile, so speed counts for more than size. */
#define ZSTD_LEVEL 1

void compress_done(struct compress_state *s)
{
	free(s->lz4);
	ZSTD_freeCCtx(s->zstd_in);
	ZSTD_freeDCtx(s->zstd_out);
	*s = (struct compress_state){0};
}

size_t compress_block(struct compress_state *s, enum image_compress c, void *out, size_t cap,
		      const void *in, size_t len)
{
	if (c == IMAGE_LZ4) {
		if (!s->lz4 && !(s->lz4 = malloc((size_t)LZ4_sizeofState())))
			return 0;
		int n = LZ4_compress_fast_extState(s->lz4, in, out, (int)len, (int)cap, 1);
		return n > 0 ? (size_t)n : 0;
	}
	if (c == IMAGE_ZSTD) {
		if (!s->zstd_in && !(s->zstd_in = ZSTD_createCCtx()))
			return 0;
		size_t n = ZSTD_compressCCtx(s->zstd_in, out, cap, in, len, ZSTD_LEVEL);
		return ZSTD_isError(n) ? 0 : n;
	}
	return 0;
}

int decompress_block(struct compress_state *s, enum image_compress c, void *out, size_t len,
		     const void *in, size_t in_len)
{
	if (c == IMAGE_LZ4) {
		int n = LZ4_decompress_safe(in, out, (int)in_len, (int)len);
		return n >= 0 && (size_t)n == len ? 0 : -EBADMSG;
	}
	if (c == IMAGE_ZSTD) {
		if (!s->zstd_out && !(s->zstd_out = ZSTD_createDCtx()))
			return -ENOMEM;
		size_t n = ZSTD_decompressDCtx(s->zstd_out, out, len, in, in_len);
		return !ZSTD_isError(n) && n == len ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}
