#include "image/format.h"

#include <string.h>

void format_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void format_put32(uint8_t *p, uint32_t v)
{
	format_put16(p, (uint16_t)v);
	format_put16(p + 2, (uint16_t)(v >> 16));
}

void format_put64(uint8_t *p, uint64_t v)
{
	format_put32(p, (uint32_t)v);
	format_put32(p + 4, (uint32_t)(v >> 32));
}

uint16_t format_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t format_get32(const uint8_t *p)
{
	return format_get16(p) | (uint32_t)format_get16(p + 2) << 16;
}

uint64_t format_get64(const uint8_t *p)
{
	return format_get32(p) | (uint64_t)format_get32(p + 4) << 32;
}

void format_start(uint8_t out[FORMAT_START_LEN], const struct crc32c *crc, uint64_t features)
{
	memcpy(out, FORMAT_MAGIC, 8);
	format_put32(out + 8, FORMAT_VERSION);
	format_put64(out + 12, features);
	format_put32(out + 20, crc32c(crc, 0, out, 20));
}

void format_head_encode(uint8_t out[FORMAT_HEAD_LEN], const struct crc32c *crc,
			const struct format_head *h)
{
	format_put16(out, h->type);
	format_put16(out + 2, h->flags);
	format_put32(out + 4, h->number);
	format_put64(out + 8, h->length);
	format_put32(out + 16, h->crc);
	format_put32(out + 20, crc32c(crc, 0, out, 20));
}

bool format_head_decode(struct format_head *ret, const struct crc32c *crc,
			const uint8_t in[FORMAT_HEAD_LEN])
{
	if (format_get32(in + 20) != crc32c(crc, 0, in, 20))
		return false;
	ret->type = format_get16(in);
	ret->flags = format_get16(in + 2);
	ret->number = format_get32(in + 4);
	ret->length = format_get64(in + 8);
	ret->crc = format_get32(in + 16);
	return true;
}

static uint64_t mix(uint64_t v, uint64_t odd)
{
	v *= odd;
	v ^= v >> 29;
	v *= odd;
	return v ^ v >> 32;
}

void format_digest_add(struct format_digest *d, const uint8_t head[FORMAT_HEAD_LEN])
{
	const uint64_t ka = 0x9e3779b97f4a7c15ULL, kb = 0xd1b54a32d192ed03ULL;
	uint64_t a = ka, b = kb;

	for (unsigned i = 0; i < FORMAT_HEAD_LEN; i += 8) {
		uint64_t v = format_get64(head + i);
		a = mix(a ^ v, ka);
		b = mix(b + v, kb);
	}
	d->a += a;
	d->b += b;
}

void format_pages_encode(uint8_t out[FORMAT_PAGES_LEN], const struct format_pages *p)
{
	format_put32(out, p->space_id);
	format_put32(out + 4, p->phase);
	format_put32(out + 8, p->n_runs);
	format_put32(out + 12, p->encoding);
	format_put32(out + 16, p->pad);
	format_put32(out + 20, p->earlier);
	format_put64(out + 24, p->data_len);
	format_put64(out + 32, p->stored_len);
}

const char *format_pages_decode(struct format_pages *ret, const uint8_t *payload, uint64_t length)
{
	struct format_pages p;

	if (length < FORMAT_PAGES_LEN)
		return "is too short for pages";
	p.space_id = format_get32(payload);
	p.phase = format_get32(payload + 4);
	p.n_runs = format_get32(payload + 8);
	p.encoding = format_get32(payload + 12);
	p.pad = format_get32(payload + 16);
	p.data_len = format_get64(payload + 24);
	p.stored_len = format_get64(payload + 32);
	p.earlier = format_get32(payload + 20);
	if (p.earlier && (p.data_len || p.stored_len || p.encoding != IMAGE_NONE))
		return "has data though its pages came before";
	if (p.n_runs > FORMAT_MAX_RUNS)
		return "claims more runs than a block can have";
	if (p.pad >= FORMAT_PAGE)
		return "claims more padding than a page";
	if (p.data_len > IMAGE_BLOCK || p.stored_len > IMAGE_BLOCK)
		return "claims more data than a block can have";
	if (p.encoding > IMAGE_ZSTD)
		return "has an unknown compression";
	if (p.encoding == IMAGE_NONE && p.data_len != p.stored_len)
		return "has raw data of the wrong size";
	if (p.encoding != IMAGE_NONE && !p.data_len)
		return "has compressed data for no memory";
	if (length != FORMAT_PAGES_LEN + (uint64_t)p.n_runs * FORMAT_RUN_LEN + p.pad + p.stored_len)
		return "has parts that do not add up to its length";
	*ret = p;
	return NULL;
}

/* Sizes are multiples of a page, so the lowest bit is free to say "zero". */
void format_run_encode(uint8_t out[FORMAT_RUN_LEN], uint64_t address, uint64_t bytes, bool zero)
{
	format_put64(out, address);
	format_put64(out + 8, bytes | zero);
}

const char *format_runs_decode(struct image_page_run *ret, const uint8_t *in,
			       const struct format_pages *p)
{
	uint64_t sum = 0, most = p->earlier ? IMAGE_BLOCK : p->data_len;

	for (uint32_t i = 0; i < p->n_runs; i++, in += FORMAT_RUN_LEN) {
		uint64_t address = format_get64(in), bytes = format_get64(in + 8);
		bool zero = bytes & 1;

		bytes &= ~1ULL;
		if (!bytes || bytes % FORMAT_PAGE || address % FORMAT_PAGE)
			return "has a run that is not made of whole pages";
		if (address + bytes < address)
			return "has a run that ends beyond the last address";
		if (!zero && (bytes > IMAGE_BLOCK || (sum += bytes) > most))
			return "has runs longer than its data";
		if (zero && p->earlier)
			return "names early pages as zero";
		ret[i] = (struct image_page_run){.address = address, .bytes = bytes, .zero = zero};
	}
	return p->earlier || sum == p->data_len ? NULL : "has more data than its runs";
}

void format_commit_encode(uint8_t out[FORMAT_COMMIT_LEN], const struct format_commit *c)
{
	format_put64(out, c->frames);
	format_put64(out + 8, c->bytes);
	format_put64(out + 16, c->digest.a);
	format_put64(out + 24, c->digest.b);
}

void format_commit_decode(struct format_commit *ret, const uint8_t in[FORMAT_COMMIT_LEN])
{
	ret->frames = format_get64(in);
	ret->bytes = format_get64(in + 8);
	ret->digest.a = format_get64(in + 16);
	ret->digest.b = format_get64(in + 24);
}

void format_entry_encode(uint8_t out[FORMAT_ENTRY_LEN], const struct format_entry *e)
{
	format_put32(out, e->space_id);
	format_put32(out + 4, e->phase);
	format_put64(out + 8, e->start);
	format_put64(out + 16, e->end);
	format_put64(out + 24, e->offset);
}

void format_entry_decode(struct format_entry *ret, const uint8_t in[FORMAT_ENTRY_LEN])
{
	ret->space_id = format_get32(in);
	ret->phase = format_get32(in + 4);
	ret->start = format_get64(in + 8);
	ret->end = format_get64(in + 16);
	ret->offset = format_get64(in + 24);
}

void format_trailer_encode(uint8_t out[FORMAT_TRAILER_LEN], uint64_t offset, uint64_t entries)
{
	format_put64(out, offset);
	format_put64(out + 8, entries);
	memcpy(out + 16, FORMAT_TRAILER_MAGIC, 8);
}

bool format_trailer_decode(const uint8_t in[FORMAT_TRAILER_LEN], uint64_t *ret_offset,
			   uint64_t *ret_entries)
{
	if (memcmp(in + 16, FORMAT_TRAILER_MAGIC, 8))
		return false;
	*ret_offset = format_get64(in);
	*ret_entries = format_get64(in + 8);
	return true;
}
