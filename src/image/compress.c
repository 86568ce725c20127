#include "image/compress.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <lz4.h>
#include <lz4hc.h>
#include <zstd.h>

#define LZ4_HIGH 3 /* the first level of the other algorithm, as for lz4(1) */

void compress_done(struct compress_state *s)
{
	free(s->lz4);
	free(s->lz4_high);
	ZSTD_freeCCtx(s->zstd_in);
	ZSTD_freeDCtx(s->zstd_out);
	*s = (struct compress_state){0};
}

static size_t compress_lz4(struct compress_state *s, int level, void *out, int cap, const void *in, int len)
{
	void **state = level < LZ4_HIGH ? &s->lz4 : &s->lz4_high;
	int n;

	if (!*state && !(*state = malloc((size_t)(level < LZ4_HIGH ? LZ4_sizeofState() : LZ4_sizeofStateHC()))))
		return 0;
	if (level < LZ4_HIGH)
		n = LZ4_compress_fast_extState(*state, in, out, len, cap, 1);
	else
		n = LZ4_compress_HC_extStateHC(*state, in, out, len, cap, level);
	return n > 0 ? (size_t)n : 0;
}

size_t compress_block(struct compress_state *s, enum image_compress c, int level, void *out, size_t cap,
		      const void *in, size_t len)
{
	if (c == IMAGE_LZ4)
		return compress_lz4(s, level, out, (int)cap, in, (int)len);
	if (c == IMAGE_ZSTD) {
		if (!s->zstd_in && !(s->zstd_in = ZSTD_createCCtx()))
			return 0;
		size_t n = ZSTD_compressCCtx(s->zstd_in, out, cap, in, len, level);
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
