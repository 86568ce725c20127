#pragma once
/* CRC-32C (Castagnoli, reflected 0x82f63b78), as iSCSI defines it (RFC 3720, 12.1). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How to compute it on this cpu: filled once, then read only, so any thread may use it. */
struct crc32c {
	bool hardware;                 /* SSE4.2 */
	bool wide;                     /* AVX-512 and VPCLMULQDQ beside it */
	uint64_t fold[3][2];           /* what moves 16 bytes over 256, 64 and 16 */
	uint32_t shift_long[4][256];   /* joins the interleaved lanes */
	uint32_t shift_short[4][256];
	uint32_t table[8][256];        /* without the instruction: eight bytes a step */
};

void crc32c_init(struct crc32c *c);
/* The same with the instruction alone where there is one, and without it, whatever the cpu offers (for tests). */
void crc32c_init_narrow(struct crc32c *c);
void crc32c_init_portable(struct crc32c *c);

/* Continues crc (0 at first) over n bytes. */
uint32_t crc32c(const struct crc32c *c, uint32_t crc, const void *p, size_t n);

/* The crc of two pieces one after the other, from theirs and the second one's length. */
uint32_t crc32c_join(uint32_t first, uint32_t second, uint64_t second_len);
