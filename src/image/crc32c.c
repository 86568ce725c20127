#include "image/crc32c.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define POLY 0x82f63b78u

/* The instruction has a latency of three cycles and a throughput of one, so three independent lanes
 * keep it busy; their results are joined by multiplying with x^(8*lane) mod P, tabulated. */
#define LANE_LONG ((size_t)4096)
#define LANE_SHORT ((size_t)256)
/* Multiplying without carries folds a block onto the one behind it: 16 bytes, moved by so many that nothing but the
 * remainder counts, are their two halves times x^(bits+32) and x^(bits-32) mod P. Four registers of 64 bytes. */
#define WIDE ((size_t)256)

/* a*b mod P, polynomials reflected: bit 31 is the coefficient of x^0. */
static uint32_t poly_mul(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? (b >> 1) ^ POLY : b >> 1;
	}
	return product;
}

/* x^(8*bytes) mod P. */
static uint32_t poly_shift(uint64_t bytes)
{
	uint32_t result = 1u << 31, power = 1u << 23;

	for (; bytes; bytes >>= 1) {
		if (bytes & 1)
			result = poly_mul(result, power);
		power = poly_mul(power, power);
	}
	return result;
}

static void shift_table(uint32_t table[4][256], size_t lane)
{
	uint32_t by = poly_shift(lane);

	for (unsigned k = 0; k < 4; k++) {
		table[k][0] = 0;
		for (unsigned bit = 0; bit < 8; bit++) {
			uint32_t v = poly_mul(1u << (8 * k + bit), by);
			for (unsigned i = 0; i < 1u << bit; i++)
				table[k][(1u << bit) + i] = table[k][i] ^ v;
		}
	}
}

static uint32_t shift(const uint32_t table[4][256], uint32_t crc)
{
	return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^
	       table[3][crc >> 24];
}

/* Reflected, and one bit to the left: a product of two reflected numbers comes out one bit to the right. */
static void fold_by(uint64_t ret[2], uint64_t bytes)
{
	ret[0] = (uint64_t)poly_shift(bytes + 4) << 1;
	ret[1] = (uint64_t)poly_shift(bytes - 4) << 1;
}

void crc32c_init_portable(struct crc32c *c)
{
	c->hardware = c->wide = false;
	for (unsigned i = 0; i < 256; i++) {
		uint32_t v = i;
		for (unsigned k = 0; k < 8; k++)
			v = v & 1 ? (v >> 1) ^ POLY : v >> 1;
		c->table[0][i] = v;
	}
	for (unsigned i = 0; i < 256; i++)
		for (unsigned k = 1; k < 8; k++)
			c->table[k][i] =
				(c->table[k - 1][i] >> 8) ^ c->table[0][c->table[k - 1][i] & 0xff];
}

void crc32c_init_narrow(struct crc32c *c)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("sse4.2")) {
		c->hardware = true;
		c->wide = false;
		shift_table(c->shift_long, LANE_LONG);
		shift_table(c->shift_short, LANE_SHORT);
		return;
	}
#else
	(void)shift_table;
#endif
	crc32c_init_portable(c);
}

void crc32c_init(struct crc32c *c)
{
	crc32c_init_narrow(c);
#ifdef __x86_64__
	c->wide = c->hardware && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") &&
		  __builtin_cpu_supports("pclmul");
	fold_by(c->fold[0], WIDE);
	fold_by(c->fold[1], 64);
	fold_by(c->fold[2], 16);
#else
	(void)fold_by;
#endif
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t lanes(const uint32_t table[4][256], size_t lane,
							uint32_t crc, const uint8_t *p)
{
	uint64_t a = crc, b = 0, c = 0;

	for (size_t i = 0; i < lane; i += 8) {
		a = __builtin_ia32_crc32di(a, load64(p + i));
		b = __builtin_ia32_crc32di(b, load64(p + lane + i));
		c = __builtin_ia32_crc32di(c, load64(p + 2 * lane + i));
	}
	return shift(table, shift(table, (uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t crc_hardware(const struct crc32c *t, uint32_t crc,
							       const uint8_t *p, size_t n)
{
	for (; n >= 3 * LANE_LONG; p += 3 * LANE_LONG, n -= 3 * LANE_LONG)
		crc = lanes(t->shift_long, LANE_LONG, crc, p);
	for (; n >= 3 * LANE_SHORT; p += 3 * LANE_SHORT, n -= 3 * LANE_SHORT)
		crc = lanes(t->shift_short, LANE_SHORT, crc, p);
	for (; n >= 8; p += 8, n -= 8)
		crc = (uint32_t)__builtin_ia32_crc32di(crc, load64(p));
	for (; n; p++, n--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

#define WIDE_TARGET __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.2")))

WIDE_TARGET static __m512i fold512(__m512i x, __m512i by, __m512i onto)
{
	return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(x, by, 0x00),
					 _mm512_clmulepi64_epi128(x, by, 0x11), onto, 0x96); /* xor of three */
}

WIDE_TARGET static __m128i fold128(__m128i x, __m128i by, __m128i onto)
{
	return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)),
			     onto);
}

WIDE_TARGET static __m512i by512(const uint64_t by[2])
{
	return _mm512_set4_epi64((long long)by[1], (long long)by[0], (long long)by[1], (long long)by[0]);
}

/* n: a multiple of WIDE, not 0. */
WIDE_TARGET static uint32_t crc_wide(const struct crc32c *t, uint32_t crc, const uint8_t *p, size_t n)
{
	__m512i by = by512(t->fold[0]), a[4];
	__m128i by16 = _mm_set_epi64x((long long)t->fold[2][1], (long long)t->fold[2][0]), rest;

	for (int i = 0; i < 4; i++)
		a[i] = _mm512_loadu_si512(p + 64 * i);
	a[0] = _mm512_xor_si512(a[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
	for (p += WIDE, n -= WIDE; n; p += WIDE, n -= WIDE)
		for (int i = 0; i < 4; i++)
			a[i] = fold512(a[i], by, _mm512_loadu_si512(p + 64 * i));
	by = by512(t->fold[1]);
	for (int i = 1; i < 4; i++)
		a[i] = fold512(a[i - 1], by, a[i]);
	rest = fold128(_mm512_extracti32x4_epi32(a[3], 0), by16, _mm512_extracti32x4_epi32(a[3], 1));
	rest = fold128(rest, by16, _mm512_extracti32x4_epi32(a[3], 2));
	rest = fold128(rest, by16, _mm512_extracti32x4_epi32(a[3], 3));
	uint64_t last = __builtin_ia32_crc32di(0, (uint64_t)_mm_cvtsi128_si64(rest));
	return (uint32_t)__builtin_ia32_crc32di(last, (uint64_t)_mm_extract_epi64(rest, 1));
}
#endif

static uint32_t crc_portable(const struct crc32c *t, uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint32_t v = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				    (uint32_t)p[3] << 24);
		crc = t->table[7][v & 0xff] ^ t->table[6][v >> 8 & 0xff] ^
		      t->table[5][v >> 16 & 0xff] ^ t->table[4][v >> 24] ^ t->table[3][p[4]] ^
		      t->table[2][p[5]] ^ t->table[1][p[6]] ^ t->table[0][p[7]];
	}
	for (; n; p++, n--)
		crc = (crc >> 8) ^ t->table[0][(crc ^ *p) & 0xff];
	return crc;
}

uint32_t crc32c(const struct crc32c *c, uint32_t crc, const void *p, size_t n)
{
	crc = ~crc;
#ifdef __x86_64__
	size_t most = c->wide ? n - n % WIDE : 0;
	if (most)
		crc = crc_wide(c, crc, p, most);
	if (c->hardware)
		return ~crc_hardware(c, crc, (const uint8_t *)p + most, n - most);
#endif
	return ~crc_portable(c, crc, p, n);
}

uint32_t crc32c_join(uint32_t first, uint32_t second, uint64_t second_len)
{
	return poly_mul(first, poly_shift(second_len)) ^ second;
}
