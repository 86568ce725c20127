/* Pages found by the index at an image's end: whole, truncated, bit-flipped and hostile ones. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/index.h"

#define PAGE ((size_t)4096)
#define FRAMES 5
#define END_LEN (FORMAT_HEAD_LEN + FRAMES * FORMAT_ENTRY_LEN + FORMAT_TRAILER_LEN)

static struct crc32c crc;

/* --- an image of FRAMES frames of two pages and a zero page; frame 3 repeats the addresses of frame 1 --- */

static uint64_t address_of(size_t i)
{
	return 0x10000 * (1 + (i == 3 ? 1 : i));
}

static uint8_t byte_of(size_t frame, size_t at)
{
	return (uint8_t)(frame * 31 + at / 7 + 1);
}

static void write_image(int fd, enum image_compress c)
{
	struct image_writer *w;

	assert_int_equal(image_writer_new(&w, fd, c, NULL), 0);
	assert_int_equal(image_write(w, FRAME_HOST, "host", 4, NULL), 0);
	for (size_t i = 0; i < FRAMES; i++) {
		struct image_run run = {address_of(i), 3 * PAGE};
		uint8_t *p = image_page_buffer(w);

		for (size_t k = 0; k < 2 * PAGE; k++)
			p[k] = byte_of(i, k);
		memset(p + 2 * PAGE, 0, PAGE);
		assert_int_equal(image_write_pages(w, 7, i & 1, p, &run, 1, NULL), 0);
	}
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
}

static int image(enum image_compress c)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	write_image(fd, c);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void check_frame(const struct image_frame *f, size_t i)
{
	assert_int_equal(f->type, FRAME_PAGES);
	assert_int_equal(f->space_id, 7);
	assert_int_equal(f->phase, i & 1);
	assert_int_equal(f->n_runs, 2);
	assert_int_equal(f->runs[0].address, address_of(i));
	assert_true(f->runs[1].zero);
	assert_int_equal(f->data_len, 2 * PAGE);
	for (size_t k = 0; k < f->data_len; k++)
		assert_int_equal(((const uint8_t *)f->data)[k], byte_of(i, k));
}

/* Opens and reads every frame, the last first. 0 or -errno, *ret_read the frames that were whole. */
static int read_all(int fd, size_t *ret_read, struct pidspace_error *err)
{
	struct image_index *x;
	int r = image_index_open(&x, fd, err);

	*ret_read = 0;
	if (r < 0)
		return r;
	struct image_lens *l = image_lens_new(x);
	for (size_t i = image_index_count(x); i-- > 0;) {
		struct image_frame f;
		int k = image_lens_read(l, i, &f, err);

		if (k == 0)
			check_frame(&f, i);
		*ret_read += k == 0;
		r = k < 0 ? k : r;
	}
	image_lens_free(l);
	image_index_free(x);
	return r;
}

static void expect(int fd, int status, const char *code)
{
	struct pidspace_error err = {0};
	struct image_index *x;

	assert_int_equal(image_index_open(&x, fd, &err), status);
	assert_string_equal(err.code, code);
	assert_true(strlen(err.message) > 20);
}

static void frames_are_read_in_any_order(void **state)
{
	static const enum image_compress all[] = {IMAGE_NONE, IMAGE_LZ4, IMAGE_ZSTD};

	for (size_t i = 0; i < 3; i++) {
		int fd = image(all[i]);
		size_t n;

		assert_int_equal(read_all(fd, &n, NULL), 0);
		assert_int_equal(n, FRAMES);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* the position is another reader's */
		close(fd);
	}
}

static void entries_keep_the_order_of_frames(void **state)
{
	int fd = image(IMAGE_LZ4);
	struct image_index *x;

	assert_int_equal(image_index_open(&x, fd, NULL), 0);
	assert_int_equal(image_index_count(x), FRAMES);
	for (size_t i = 0; i < FRAMES; i++) {
		const struct format_entry *e = image_index_entry(x, i);

		assert_int_equal(e->start, address_of(i));
		assert_int_equal(e->end, address_of(i) + 3 * PAGE);
		if (i)
			assert_true(e->offset > image_index_entry(x, i - 1)->offset);
	}
	image_index_free(x);
	close(fd);
}

static void an_image_may_begin_inside_a_file(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	size_t n;

	assert_int_equal(write(fd, "something before", 16), 16);
	write_image(fd, IMAGE_NONE);
	assert_int_equal(lseek(fd, 16, SEEK_SET), 16);
	assert_int_equal(read_all(fd, &n, NULL), 0);
	assert_int_equal(n, FRAMES);
	close(fd);
}

static void a_pipe_has_no_index(void **state)
{
	int p[2], fd = memfd_create("image", MFD_CLOEXEC);
	uint8_t buf[65536];

	assert_int_equal(pipe(p), 0);
	expect(p[0], -ESPIPE, "E_IMAGE_INDEX");
	write_image(p[1], IMAGE_LZ4);
	close(p[1]);
	for (ssize_t k; (k = read(p[0], buf, sizeof buf)) > 0;)
		assert_int_equal(write(fd, buf, (size_t)k), k);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	expect(fd, -ENODATA, "E_IMAGE_INDEX");
	close(p[0]);
	close(fd);
}

static void something_else_is_no_image(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	expect(fd, -ENODATA, "E_IMAGE_TRUNCATED");
	assert_int_equal(pwrite(fd, "#!/bin/sh\n", 10, 0), 10);
	expect(fd, -EINVAL, "E_IMAGE_MAGIC");
	close(fd);
}

/* --- damage --- */

static void any_cut_is_found_at_once(void **state)
{
	int fd = image(IMAGE_LZ4);
	off_t size = lseek(fd, 0, SEEK_END);

	for (off_t len = size; len-- > 0;) {
		struct pidspace_error err = {0};
		struct image_index *x;

		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_true(image_index_open(&x, fd, &err) < 0);
		assert_true(*err.code);
	}
	close(fd);
}

static void flip(int fd, off_t at, int bit)
{
	uint8_t c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= (uint8_t)(1 << bit);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

/* In COMMIT and INDEX it shows at once, in a frame of pages when that is read, and only there. */
static void any_flipped_bit_of_pages_and_index_is_found(void **state)
{
	int fd = image(IMAGE_LZ4);
	off_t size = lseek(fd, 0, SEEK_END);
	off_t end = size - (off_t)END_LEN - FORMAT_HEAD_LEN - FORMAT_COMMIT_LEN;
	struct image_index *x;
	size_t n;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(image_index_open(&x, fd, NULL), 0);
	off_t first = (off_t)image_index_entry(x, 0)->offset;
	image_index_free(x);
	for (off_t at = first; at < size; at++) {
		struct pidspace_error err = {0};

		flip(fd, at, (int)(at % 8));
		assert_true(read_all(fd, &n, &err) < 0);
		assert_true(!strncmp(err.code, "E_IMAGE_", 8));
		assert_int_equal(n, at < end ? FRAMES - 1 : 0);
		flip(fd, at, (int)(at % 8));
	}
	assert_int_equal(read_all(fd, &n, NULL), 0);
	close(fd);
}

static void a_file_that_shrinks_afterwards_is_found(void **state)
{
	int fd = image(IMAGE_NONE);
	struct pidspace_error err = {0};
	struct image_index *x;
	struct image_frame f;

	assert_int_equal(image_index_open(&x, fd, NULL), 0);
	struct image_lens *l = image_lens_new(x);
	assert_int_equal(ftruncate(fd, (off_t)image_index_entry(x, 2)->offset + 100), 0);
	assert_int_equal(image_lens_read(l, 1, &f, &err), 0);
	assert_int_equal(image_lens_read(l, 2, &f, &err), -ENODATA);
	assert_string_equal(err.code, "E_IMAGE_TRUNCATED");
	assert_int_equal(image_lens_read(l, 3, &f, &err), -ENODATA);
	assert_int_equal(image_lens_read(l, 0, &f, &err), 0);
	check_frame(&f, 0);
	image_lens_free(l);
	image_index_free(x);
	close(fd);
}

/* --- hostile: every checksum is right --- */

/* Puts entry i into the index, and a checksum that fits. */
static void forge(int fd, size_t i, const struct format_entry *e, uint64_t entries)
{
	uint8_t all[END_LEN], *body = all + FORMAT_HEAD_LEN;
	off_t at = lseek(fd, 0, SEEK_END) - (off_t)sizeof all;
	struct format_head h;

	assert_int_equal(pread(fd, all, sizeof all, at), sizeof all);
	assert_true(format_head_decode(&h, &crc, all));
	format_entry_encode(body + i * FORMAT_ENTRY_LEN, e);
	format_trailer_encode(body + FRAMES * FORMAT_ENTRY_LEN, (uint64_t)at, entries);
	h.crc = crc32c(&crc, 0, body, h.length);
	format_head_encode(all, &crc, &h);
	assert_int_equal(pwrite(fd, all, sizeof all, at), sizeof all);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
}

static void entries_that_cannot_be_are_refused(void **state)
{
	int fd = image(IMAGE_NONE);
	struct image_index *x;

	assert_int_equal(image_index_open(&x, fd, NULL), 0);
	const struct format_entry good = *image_index_entry(x, 2), next = *image_index_entry(x, 3);
	const struct format_entry bad[] = {
		{7, 0, good.start, good.end, next.offset},           /* not rising */
		{7, 0, good.start, good.end, UINT64_MAX},            /* beyond the end */
		{7, 0, good.start, good.end, (uint64_t)1 << 40},
		{7, 0, good.start, good.end, 0},
		{7, 0, good.end, good.start, good.offset},           /* upside down */
		{7, 0, good.start, good.start, good.offset},         /* empty */
		{7, 0, good.start + 1, good.end, good.offset},       /* no whole pages */
		{7, 0, good.start, good.end - 8, good.offset},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		forge(fd, 2, &bad[i], FRAMES);
		expect(fd, -EBADMSG, "E_IMAGE_CORRUPT");
	}
	for (uint64_t n = 0; n < 3; n++) { /* a count that does not fit, or would not fit into memory */
		forge(fd, 2, &good, n == 2 ? UINT64_MAX / 32 : FRAMES + 2 * n - 1);
		expect(fd, -EBADMSG, "E_IMAGE_CORRUPT");
	}
	image_index_free(x);
	close(fd);
}

/* Possible as such, but not what lies there: found when the frame is read. */
static void entries_that_describe_another_frame_are_refused(void **state)
{
	int fd = image(IMAGE_NONE);
	struct image_index *x;

	assert_int_equal(image_index_open(&x, fd, NULL), 0);
	const struct format_entry good = *image_index_entry(x, 2);
	const struct format_entry bad[] = {
		{8, 0, good.start, good.end, good.offset},           /* another address space */
		{7, 1, good.start, good.end, good.offset},           /* another phase */
		{7, 0, good.start, good.end + PAGE, good.offset},    /* more, and less, than it has */
		{7, 0, good.start + PAGE, good.end, good.offset},
		{7, 0, good.start, good.end, good.offset + 8},       /* in the middle of one */
		{7, 0, good.start, good.end, good.offset - PAGE},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct pidspace_error err = {0};
		size_t n;

		forge(fd, 2, &bad[i], FRAMES);
		assert_int_equal(read_all(fd, &n, &err), -EBADMSG);
		assert_string_equal(err.code, "E_IMAGE_CORRUPT");
		assert_int_equal(n, FRAMES - 1);
	}
	image_index_free(x);
	close(fd);
}

static void an_entry_of_metadata_is_refused(void **state)
{
	int fd = image(IMAGE_NONE);
	struct format_entry e = {7, 0, address_of(0), address_of(0) + 3 * PAGE, FORMAT_START_LEN};
	struct pidspace_error err = {0};
	size_t n;

	forge(fd, 0, &e, FRAMES);
	assert_int_equal(read_all(fd, &n, &err), -EBADMSG);
	assert_int_equal(n, FRAMES - 1);
	close(fd);
}

/* --- lenses on a reader --- */

#define LARGE_PAGES 200

/* A large frame, a small one, and early pages that a third names. */
static int image_of_all_sizes(enum image_compress c)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_run large = {0x1000000, LARGE_PAGES * PAGE}, small = {0x10000, PAGE}, early = {0x20000, 4 * PAGE};
	struct image_writer *w;
	uint8_t *p;

	assert_int_equal(image_writer_open(&w, fd, &(struct image_options){.compress = c, .early = true}, NULL), 0);
	p = image_page_buffer(w);
	for (size_t k = 0; k < early.bytes; k++)
		p[k] = byte_of(9, k);
	assert_int_equal(image_write_early_pages(w, 3, 1, p, &early, 1, NULL), 0);
	p = image_page_buffer(w);
	for (size_t k = 0; k < large.bytes; k++)
		p[k] = byte_of(1, k);
	assert_int_equal(image_write_pages(w, 7, 1, p, &large, 1, NULL), 0);
	p = image_page_buffer(w);
	memset(p, 4, PAGE);
	assert_int_equal(image_write_pages(w, 7, 1, p, &small, 1, NULL), 0);
	assert_int_equal(image_write_earlier(w, 7, 1, 3, &early, 1, NULL), 0);
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void large_frames_are_left_for_a_lens(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		int fd = image_of_all_sizes(c);
		struct image_frame f, whole;
		struct image_reader *r;
		size_t n = 0;

		assert_int_equal(image_reader_new(&r, fd, NULL), 0);
		image_reader_defer_early(r);
		image_reader_defer_data(r);
		struct image_lens *l = image_lens_on(r);
		while (image_next(r, &f, NULL) > 0) {
			if (f.type != FRAME_PAGES)
				continue;
			assert_int_equal(f.deferred, n != 1);
			assert_int_equal(!f.data, f.deferred);
			if (f.deferred)
				assert_int_equal(image_lens_load(l, &f, &whole, NULL), 0);
			else
				whole = f;
			const uint8_t *p = whole.data;
			assert_false(whole.deferred);
			assert_int_equal(whole.space_id, 7);
			assert_int_equal(whole.data_len, (n == 0 ? LARGE_PAGES : n == 1 ? 1 : 4) * PAGE);
			for (size_t k = 0; k < whole.data_len; k++)
				assert_int_equal(p[k], n == 1 ? 4 : byte_of(n == 0 ? 1 : 9, k));
			n++;
		}
		assert_int_equal(n, 3);
		image_lens_free(l);
		image_reader_free(r);
		close(fd);
	}
}

/* Nothing is left out of the check: what the reader passes over, a lens finds. */
static void damage_of_a_large_frame_shows_in_the_lens(void **state)
{
	int fd = image_of_all_sizes(IMAGE_NONE);
	struct pidspace_error err = {0};
	struct image_frame f, whole;
	struct image_reader *r;
	bool found = false;

	assert_int_equal(image_reader_new(&r, fd, NULL), 0);
	image_reader_defer_data(r);
	struct image_lens *l = image_lens_on(r);
	while (image_next(r, &f, NULL) > 0) {
		if (!f.deferred || f.earlier)
			continue;
		flip(fd, (off_t)f.file_offset + 100000, 3);
		assert_int_equal(image_lens_load(l, &f, &whole, &err), -EBADMSG);
		assert_string_equal(err.code, "E_IMAGE_CORRUPT");
		found = true;
	}
	assert_true(found);
	image_lens_free(l);
	image_reader_free(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_read_in_any_order),
		cmocka_unit_test(entries_keep_the_order_of_frames),
		cmocka_unit_test(an_image_may_begin_inside_a_file),
		cmocka_unit_test(a_pipe_has_no_index),
		cmocka_unit_test(something_else_is_no_image),
		cmocka_unit_test(any_cut_is_found_at_once),
		cmocka_unit_test(any_flipped_bit_of_pages_and_index_is_found),
		cmocka_unit_test(a_file_that_shrinks_afterwards_is_found),
		cmocka_unit_test(entries_that_cannot_be_are_refused),
		cmocka_unit_test(entries_that_describe_another_frame_are_refused),
		cmocka_unit_test(an_entry_of_metadata_is_refused),
		cmocka_unit_test(large_frames_are_left_for_a_lens),
		cmocka_unit_test(damage_of_a_large_frame_shows_in_the_lens),
	};

	crc32c_init(&crc);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
