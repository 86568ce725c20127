/* What the stream is made of: checksums, zero pages, the index, buffers lent to several threads. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/format.h"
#include "image/image.h"
#include "image/zero_page.h"

#define PAGE ((size_t)4096)

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* RFC 3720, B.4, and the usual check value. */
static void known_checksums(void **state)
{
	static struct crc32c c[3];
	uint8_t b[32];

	crc32c_init(&c[0]);
	crc32c_init_portable(&c[1]);
	crc32c_init_narrow(&c[2]);
	for (int i = 0; i < 3; i++) {
		memset(b, 0, sizeof b);
		assert_int_equal(crc32c(&c[i], 0, b, sizeof b), 0x8a9136aau);
		memset(b, 0xff, sizeof b);
		assert_int_equal(crc32c(&c[i], 0, b, sizeof b), 0x62a8ab43u);
		for (uint8_t k = 0; k < sizeof b; k++)
			b[k] = k;
		assert_int_equal(crc32c(&c[i], 0, b, sizeof b), 0x46dd794eu);
		assert_int_equal(crc32c(&c[i], 0, "123456789", 9), 0xe3069283u);
		assert_int_equal(crc32c(&c[i], 0, NULL, 0), 0);
	}
}

/* With and without the instructions, whole, in pieces and joined: always the same. */
static void checksums_agree(void **state)
{
	static struct crc32c fast, narrow, portable;
	size_t size = 100000;
	uint8_t *p = malloc(size);
	uint64_t seed = 7;

	crc32c_init(&fast);
	crc32c_init_narrow(&narrow);
	crc32c_init_portable(&portable);
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)next_random(&seed);
	for (unsigned round = 0; round < 300; round++) {
		size_t at = next_random(&seed) % 100, len = next_random(&seed) % (size - at);
		size_t cut = len ? next_random(&seed) % len : 0;
		if (round < 40)
			len = round, cut = round / 2;
		uint32_t whole = crc32c(&fast, 0, p + at, len);
		assert_int_equal(whole, crc32c(&portable, 0, p + at, len));
		assert_int_equal(whole, crc32c(&narrow, 0, p + at, len));
		uint32_t first = crc32c(&fast, 0, p + at, cut);
		assert_int_equal(whole, crc32c(&fast, first, p + at + cut, len - cut));
		uint32_t second = crc32c(&portable, 0, p + at + cut, len - cut);
		assert_int_equal(whole, crc32c_join(first, second, len - cut));
	}
	free(p);
}

static void zero_page_sees_every_byte(void **state)
{
	_Alignas(8) uint8_t p[4096] = {0};

	assert_true(zero_page(p));
	for (size_t i = 0; i < sizeof p; i++) {
		p[i] = 1 << i % 8;
		assert_false(zero_page(p));
		p[i] = 0;
	}
}

/* A frame that is dropped, repeated or exchanged with another changes the digest. */
static void digest_knows_each_frame(void **state)
{
	static struct crc32c crc;
	struct format_digest all = {0}, other = {0};
	uint8_t head[3][FORMAT_HEAD_LEN];

	crc32c_init(&crc);
	for (uint32_t i = 0; i < 3; i++) {
		struct format_head h = {.type = 3, .number = i, .length = 10, .crc = 5};
		format_head_encode(head[i], &crc, &h);
		format_digest_add(&all, head[i]);
	}
	format_digest_add(&other, head[0]);
	format_digest_add(&other, head[2]);
	assert_true(other.a != all.a && other.b != all.b);
	format_digest_add(&other, head[2]);
	assert_true(other.a != all.a && other.b != all.b);
}

static void put_pages(struct image_writer *w, uint32_t space, uint64_t address, uint8_t with,
		      unsigned n)
{
	struct image_run run = {address, n * PAGE};
	uint8_t *p = image_page_buffer(w);

	memset(p, with, n * PAGE);
	assert_int_equal(image_write_pages(w, space, 0, p, &run, 1, NULL), 0);
}

/* From the end of the file alone, memory is found: also when the stream does not begin where the
 * file does. */
static void index_finds_pages(void **state)
{
	uint8_t trailer[FORMAT_TRAILER_LEN], entry[FORMAT_ENTRY_LEN],
		head[FORMAT_HEAD_LEN + FORMAT_PAGES_LEN];
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	uint64_t at, n;
	off_t base = 777;

	assert_int_equal(lseek(fd, base, SEEK_SET), base);
	assert_int_equal(image_writer_new(&w, fd, IMAGE_NONE, NULL), 0);
	for (unsigned i = 0; i < 20; i++) {
		put_pages(w, i, 0x10000ULL * (i + 1), (uint8_t)(i + 1), i % 3 ? 2 : 200);
		assert_int_equal(image_write(w, FRAME_HOST, "between", 7, NULL), 0);
	}
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);

	off_t end = lseek(fd, 0, SEEK_END);
	assert_int_equal(pread(fd, trailer, sizeof trailer, end - (off_t)sizeof trailer),
			 sizeof trailer);
	assert_true(format_trailer_decode(trailer, &at, &n));
	assert_int_equal(n, 20);
	for (unsigned i = 0; i < n; i++) {
		off_t where = base + (off_t)at + FORMAT_HEAD_LEN + i * FORMAT_ENTRY_LEN;
		struct format_entry e;
		struct format_pages p;
		uint8_t byte;

		assert_int_equal(pread(fd, entry, sizeof entry, where), sizeof entry);
		format_entry_decode(&e, entry);
		assert_int_equal(e.space_id, i);
		assert_int_equal(e.start, 0x10000ULL * (i + 1));
		assert_int_equal(e.end, e.start + (i % 3 ? 2 : 200) * PAGE);
		assert_int_equal(pread(fd, head, sizeof head, base + (off_t)e.offset), sizeof head);
		assert_int_equal(format_get16(head), FRAME_PAGES);
		assert_null(
			format_pages_decode(&p, head + FORMAT_HEAD_LEN, format_get64(head + 8)));
		where = base + (off_t)(e.offset + sizeof head + p.n_runs * FORMAT_RUN_LEN + p.pad);
		assert_int_equal(where % (off_t)PAGE, 0);
		assert_int_equal(pread(fd, &byte, 1, where), 1);
		assert_int_equal(byte, i + 1);
	}
	close(fd);
}

struct crowd {
	struct image_writer *w;
	uint32_t space;
};

static void *write_some(void *arg)
{
	struct crowd *c = arg;

	for (uint64_t i = 0; i < 40; i++)
		put_pages(c->w, c->space, i * IMAGE_BLOCK, (uint8_t)(1 + i), i % 4 ? 3 : 200);
	return NULL;
}

/* Several threads save one address space each, and one writes metadata: each finds its own in its
 * order. */
static void several_threads(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_LZ4; c++) {
		int fd = memfd_create("image", MFD_CLOEXEC);
		struct crowd crowd[4];
		pthread_t thread[4];
		struct image_writer *w;
		struct image_reader *r;
		struct image_frame f;
		unsigned seen[4] = {0}, metadata = 0;
		int status;

		assert_int_equal(image_writer_new(&w, fd, c, NULL), 0);
		for (uint32_t i = 0; i < 4; i++) {
			crowd[i] = (struct crowd){w, i};
			assert_int_equal(pthread_create(&thread[i], NULL, write_some, &crowd[i]),
					 0);
		}
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(image_write(w, FRAME_PROCESS, &i, sizeof i, NULL), 0);
		for (uint32_t i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		assert_int_equal(image_commit(w, NULL), 0);
		assert_int_equal(image_bytes_written(w), lseek(fd, 0, SEEK_CUR));
		image_writer_free(w);

		lseek(fd, 0, SEEK_SET);
		assert_int_equal(image_reader_new(&r, fd, NULL), 0);
		while ((status = image_next(r, &f, NULL)) > 0) {
			if (f.type == FRAME_PROCESS) {
				assert_int_equal(*(const unsigned *)f.body, metadata++);
				continue;
			}
			uint64_t i = seen[f.space_id]++;
			assert_int_equal(f.runs[0].address, i * IMAGE_BLOCK);
			assert_int_equal(f.data_len, (i % 4 ? 3 : 200) * PAGE);
			assert_int_equal(*(const uint8_t *)f.data, 1 + i);
		}
		assert_int_equal(status, 0);
		assert_int_equal(metadata, 200);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(seen[i], 40);
		image_reader_free(r);
		close(fd);
	}
}

/* Metadata of all sizes keeps its place between blocks that are still on their way. */
static void metadata_between_blocks(void **state)
{
	const size_t sizes[] = {0, 1, 4096, 200000, 262144, 262145, 500000, 524288, 3000000};
	const size_t n = sizeof sizes / sizeof *sizes;
	uint8_t *body = malloc(3000000);

	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		int fd = memfd_create("image", MFD_CLOEXEC);
		struct image_writer *w;
		struct image_reader *r;
		struct image_frame f;

		assert_int_equal(image_writer_new(&w, fd, c, NULL), 0);
		for (size_t i = 0; i < n; i++) {
			put_pages(w, 1, 0, 1, 250);
			put_pages(w, 2, 0, 2, 1);
			memset(body, (int)i, sizes[i]);
			assert_int_equal(image_write(w, FRAME_PROCESS, body, sizes[i], NULL), 0);
			assert_int_equal(image_write(w, FRAME_HOST, body, sizes[i] / 2, NULL), 0);
		}
		assert_int_equal(image_commit(w, NULL), 0);
		image_writer_free(w);

		lseek(fd, 0, SEEK_SET);
		assert_int_equal(image_reader_new(&r, fd, NULL), 0);
		for (size_t i = 0; i < n; i++) {
			for (uint32_t space = 1; space < 3; space++) {
				assert_int_equal(image_next(r, &f, NULL), 1);
				assert_int_equal(f.type, FRAME_PAGES);
				assert_int_equal(f.space_id, space);
			}
			memset(body, (int)i, sizes[i]);
			for (unsigned half = 1; half < 3; half++) {
				assert_int_equal(image_next(r, &f, NULL), 1);
				assert_int_equal(f.type, half == 1 ? FRAME_PROCESS : FRAME_HOST);
				assert_int_equal(f.len, sizes[i] / half);
				assert_memory_equal(f.body, body, f.len);
			}
		}
		assert_int_equal(image_next(r, &f, NULL), 0);
		image_reader_free(r);
		close(fd);
	}
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_checksums),
		cmocka_unit_test(checksums_agree),
		cmocka_unit_test(zero_page_sees_every_byte),
		cmocka_unit_test(digest_knows_each_frame),
		cmocka_unit_test(index_finds_pages),
		cmocka_unit_test(several_threads),
		cmocka_unit_test(metadata_between_blocks),
	};
	return cmocka_run_group_tests_name("image_parts", tests, NULL, NULL);
}
