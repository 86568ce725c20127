#include "image/page_block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "image/zero_page.h"

#define RUNS_AT (FORMAT_HEAD_LEN + FORMAT_PAGES_LEN)

void *page_block_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_DONTFORK);
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void page_block_unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

int page_block_give(struct page_block *b, const struct image_run *runs, size_t n)
{
	uint64_t sum = 0;

	if (n > FORMAT_MAX_RUNS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const struct image_run *r = &runs[i];
		if (!r->bytes || r->bytes % FORMAT_PAGE || r->address % FORMAT_PAGE ||
		    r->bytes > IMAGE_BLOCK || r->address + r->bytes < r->address)
			return -EINVAL;
		sum += r->bytes;
	}
	if (sum > IMAGE_BLOCK)
		return -EINVAL;
	if (n)
		memcpy(b->given, runs, n * sizeof *runs);
	b->n_given = n;
	return 0;
}

static void put_run(struct page_block *b, uint64_t address, uint64_t bytes, bool zero)
{
	format_run_encode(b->lead + RUNS_AT + b->pages.n_runs++ * FORMAT_RUN_LEN, address, bytes,
			  zero);
}

static void put_piece(struct page_block *b, uint8_t *p, size_t n)
{
	struct iovec *last = b->n_pieces ? &b->piece[b->n_pieces - 1] : NULL;

	b->pages.data_len += n;
	if (last && (uint8_t *)last->iov_base + last->iov_len == p)
		last->iov_len += n;
	else
		b->piece[b->n_pieces++] = (struct iovec){p, n};
}

/* Cuts one given run where zero pages begin and end. */
static void split_run(struct page_block *b, const struct image_run *r, uint8_t *p)
{
	for (uint64_t at = 0; at < r->bytes;) {
		uint64_t end = at + FORMAT_PAGE;
		bool zero = zero_page(p + at);

		while (end < r->bytes && zero_page(p + end) == zero)
			end += FORMAT_PAGE;
		put_run(b, r->address + at, end - at, zero);
		if (!zero)
			put_piece(b, p + at, end - at);
		at = end;
	}
	if (r->address < b->start)
		b->start = r->address;
	if (r->address + r->bytes > b->end)
		b->end = r->address + r->bytes;
}

static bool pack(struct page_block *b, enum image_compress c, int level, struct compress_state *s)
{
	size_t len = b->pages.data_len, at = 0;

	if (!b->packed && !(b->packed = page_block_map(IMAGE_BLOCK)))
		return false;
	for (size_t i = 0; i < b->n_pieces; at += b->piece[i++].iov_len)
		if (b->piece[i].iov_base != b->data + at)
			memmove(b->data + at, b->piece[i].iov_base, b->piece[i].iov_len);
	b->piece[0] = (struct iovec){b->data, len};
	b->n_pieces = 1;
	/* Less than a 32nd saved is not worth the decompression. */
	size_t n = compress_block(s, c, level, b->packed, len - len / 32, b->data, len);
	if (!n)
		return false;
	b->piece[0] = (struct iovec){b->packed, n};
	b->pages.stored_len = n;
	b->pages.encoding = c;
	return true;
}

void page_block_prepare(struct page_block *b, enum image_compress c, int level, struct compress_state *s,
			const struct crc32c *crc)
{
	uint8_t *p = b->data;

	b->pages = (struct format_pages){.space_id = b->space_id, .phase = b->phase};
	b->n_pieces = 0;
	b->start = UINT64_MAX;
	b->end = 0;
	for (size_t i = 0; i < b->n_given; p += b->given[i++].bytes)
		split_run(b, &b->given[i], p);
	if (c == IMAGE_NONE || !b->pages.data_len || !pack(b, c, level, s)) {
		b->pages.stored_len = b->pages.data_len;
		b->pages.encoding = IMAGE_NONE;
	}
	b->data_crc = 0;
	for (size_t i = 0; i < b->n_pieces; i++)
		b->data_crc = crc32c(crc, b->data_crc, b->piece[i].iov_base, b->piece[i].iov_len);
}

size_t page_block_encode(struct page_block *b, uint64_t at, const struct crc32c *crc)
{
	size_t len = RUNS_AT + b->pages.n_runs * FORMAT_RUN_LEN;

	b->pages.pad = 0;
	if (b->pages.encoding == IMAGE_NONE && b->pages.data_len)
		b->pages.pad = (uint32_t)(-(at + len) % FORMAT_PAGE);
	memset(b->lead + len, 0, b->pages.pad);
	len += b->pages.pad;
	format_pages_encode(b->lead + FORMAT_HEAD_LEN, &b->pages);

	struct format_head h = {.type = b->type, .number = b->number};
	h.length = len - FORMAT_HEAD_LEN + b->pages.stored_len;
	h.crc = crc32c(crc, 0, b->lead + FORMAT_HEAD_LEN, len - FORMAT_HEAD_LEN);
	h.crc = crc32c_join(h.crc, b->data_crc, b->pages.stored_len);
	format_head_encode(b->lead, crc, &h);
	return len;
}
