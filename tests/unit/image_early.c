/* Early pages: of several copies the latest counts, whatever the descriptor and the compression; and what
 * names pages that are not there is refused. */
#include <errno.h>
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
#include "image/index.h"

#define PAGE ((uint64_t)4096)
#define PAGES 4096 /* of the memory that is written, at BASE */
#define BASE ((uint64_t)0x10000000)
#define ROUNDS 4
#define ID 7

static void must(int r, const struct pidspace_error *err)
{
	if (r < 0)
		fail_msg("%s: %s", err->code, err->message);
}

/* Which round wrote a page: the first all but some, later ones fewer and fewer, in pieces. */
static bool in_round(unsigned page, unsigned round)
{
	return round == 1 ? page % 97 != 5 : page % (round * round * 5) < round && page / 64 % round != 1;
}

static unsigned latest(unsigned page)
{
	for (unsigned r = ROUNDS; r; r--)
		if (in_round(page, r))
			return r;
	return 0;
}

/* What a page held in a round: nothing, or noise that says which page and round it was. */
static void content(uint8_t *p, unsigned page, unsigned round)
{
	memset(p, 0, PAGE);
	if ((page + round) % 11 == 0)
		return;
	for (size_t i = 0; i < PAGE; i += 8) {
		uint64_t v = (page * 31 + round) * UINT64_C(0x9e3779b97f4a7c15) + (i & 0xc0);
		memcpy(p + i, &v, 8);
	}
}

struct block {
	struct image_writer *w;
	uint8_t *buf;
	size_t len, n;
	struct image_run runs[FORMAT_MAX_RUNS];
};

static void give_early(struct block *b, unsigned round)
{
	struct pidspace_error err = {0};

	if (b->buf)
		must(image_write_early_pages(b->w, ID, round, b->buf, b->runs, b->n, &err), &err);
	b->buf = NULL;
	b->len = b->n = 0;
}

static void add_run(struct block *b, unsigned page)
{
	struct image_run *last = b->n ? &b->runs[b->n - 1] : NULL;

	if (last && last->address + last->bytes == BASE + page * PAGE)
		last->bytes += PAGE;
	else
		b->runs[b->n++] = (struct image_run){BASE + page * PAGE, PAGE};
	b->len += PAGE;
}

static void write_early(struct image_writer *w)
{
	struct block b = {.w = w};

	for (unsigned round = 1; round <= ROUNDS; round++) {
		for (unsigned page = 0; page < PAGES; page++) {
			if (!in_round(page, round))
				continue;
			if (!b.buf)
				assert_non_null(b.buf = image_page_buffer(w));
			content(b.buf + b.len, page, round);
			add_run(&b, page);
			/* Blocks of different sizes, so that frames of rounds do not begin at the same places. */
			if (b.len == (60 + round * 30) * PAGE || b.n == FORMAT_MAX_RUNS)
				give_early(&b, round);
		}
		give_early(&b, round);
	}
}

static void name_earlier(struct image_writer *w)
{
	struct pidspace_error err = {0};
	struct block b = {.w = w};

	for (unsigned page = 0; page <= PAGES; page++) {
		bool full = b.len == IMAGE_BLOCK || b.n == FORMAT_MAX_RUNS;
		if (full || page == PAGES) {
			must(image_write_earlier(w, 3, 1, ID, b.runs, b.n, &err), &err);
			b.len = b.n = 0;
		}
		/* Some are left out: they have gone meanwhile. */
		if (page < PAGES && latest(page) && page % 50 != 3)
			add_run(&b, page);
	}
}

struct stream {
	int fd;
	enum image_compress compress;
};

static void *write_stream(void *arg)
{
	const struct stream *st = arg;
	struct pidspace_error err = {0};
	struct image_writer *w;

	must(image_writer_open(&w, st->fd, &(struct image_options){.compress = st->compress, .early = true}, &err), &err);
	write_early(w);
	must(image_write(w, FRAME_PROCESS, "abc", 3, &err), &err);
	name_earlier(w);
	must(image_commit(w, &err), &err);
	image_writer_free(w);
	return NULL;
}

static void check_run(const struct image_page_run *run, const uint8_t **data, bool *seen)
{
	static const uint8_t zero[4096];
	uint8_t want[4096];

	for (uint64_t at = 0; at < run->bytes; at += PAGE) {
		unsigned page = (unsigned)((run->address + at - BASE) / PAGE);
		assert_true(page < PAGES && !seen[page]);
		seen[page] = true;
		content(want, page, latest(page));
		assert_int_equal(run->zero, !memcmp(want, zero, PAGE));
		if (run->zero)
			continue;
		assert_memory_equal(*data, want, PAGE);
		*data += PAGE;
	}
}

static void read_stream(int fd, bool defer)
{
	bool *seen = calloc(PAGES, 1);
	struct pidspace_error err = {0};
	struct image_reader *r;
	struct image_frame f;
	int more;

	must(image_reader_new(&r, fd, &err), &err);
	if (defer)
		image_reader_defer_early(r);
	while ((more = image_next(r, &f, &err)) > 0) {
		const uint8_t *data = f.data;
		if (f.type != FRAME_PAGES)
			continue;
		assert_int_equal(f.space_id, 3);
		for (size_t i = 0; i < f.n_runs; i++)
			check_run(&f.runs[i], &data, seen);
		assert_int_equal(data - (const uint8_t *)f.data, f.data_len);
	}
	must(more, &err);
	image_reader_free(r);
	for (unsigned page = 0; page < PAGES; page++)
		assert_int_equal(seen[page], latest(page) && page % 50 != 3);
	free(seen);
}

static void latest_copy_counts(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		struct stream st = {memfd_create("image", MFD_CLOEXEC), c};
		assert_true(st.fd >= 0);
		write_stream(&st);
		for (int defer = 0; defer < 2; defer++) {
			lseek(st.fd, 0, SEEK_SET);
			read_stream(st.fd, defer);
		}
		close(st.fd);
	}
}

static void latest_copy_counts_by_the_index(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		struct stream st = {memfd_create("image", MFD_CLOEXEC), c};
		struct pidspace_error err = {0};
		struct image_index *x;
		struct image_frame f;
		write_stream(&st);
		lseek(st.fd, 0, SEEK_SET);
		must(image_index_open(&x, st.fd, &err), &err);
		struct image_lens *l = image_lens_new(x);
		bool *seen = calloc(PAGES, 1);
		for (size_t i = image_index_count(x); i-- > 0;) {
			must(image_lens_read(l, i, &f, &err), &err);
			const uint8_t *data = f.data;
			for (size_t k = 0; k < f.n_runs; k++)
				check_run(&f.runs[k], &data, seen);
		}
		for (unsigned page = 0; page < PAGES; page++)
			assert_int_equal(seen[page], latest(page) && page % 50 != 3);
		free(seen);
		image_lens_free(l);
		image_index_free(x);
		close(st.fd);
	}
}

static void latest_copy_counts_in_a_pipe(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		pthread_t t;
		int p[2];
		assert_int_equal(pipe(p), 0);
		struct stream st = {p[1], c};
		assert_int_equal(pthread_create(&t, NULL, write_stream, &st), 0);
		read_stream(p[0], true);
		pthread_join(t, NULL);
		close(p[0]);
		close(p[1]);
	}
}

/* Reads all of it; the code of the error, or "". */
static const char *code_of(int fd, bool defer, struct pidspace_error *err)
{
	struct image_reader *r;
	struct image_frame f;
	int more;

	*err = (struct pidspace_error){0};
	lseek(fd, 0, SEEK_SET);
	must(image_reader_new(&r, fd, err), err);
	if (defer)
		image_reader_defer_early(r);
	while ((more = image_next(r, &f, err)) > 0)
		;
	image_reader_free(r);
	return err->code;
}

static int named(struct image_run run)
{
	struct pidspace_error err = {0};
	struct image_writer *w;
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(image_writer_open(&w, fd, &(struct image_options){.compress = IMAGE_NONE, .early = true}, &err), &err);
	write_early(w);
	must(image_write_earlier(w, 1, 1, ID, &run, 1, &err), &err);
	must(image_commit(w, &err), &err);
	image_writer_free(w);
	return fd;
}

static void what_no_frame_holds_is_refused(void **state)
{
	const struct image_run runs[] = {{BASE - PAGE, 2 * PAGE}, {BASE + (PAGES - 1) * PAGE, 2 * PAGE},
					 {BASE + 5 * PAGE, PAGE}};
	struct pidspace_error err;

	for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
		/* Page 5 is in no round. */
		int fd = named(runs[i]);
		assert_int_equal(latest(5), 0);
		assert_string_equal(code_of(fd, true, &err), "E_IMAGE_CORRUPT");
		assert_non_null(strstr(err.message, "no frame before it holds"));
		close(fd);
	}
}

/* A damaged early page shows, at the latest when it is named. */
static void damage_shows_when_it_is_used(void **state)
{
	struct image_run all = {BASE + 6 * PAGE, 4 * PAGE}; /* of the first round, like the first frame */
	struct pidspace_error err;
	int fd = named(all);
	uint8_t byte;

	assert_string_equal(code_of(fd, true, &err), "");
	assert_int_equal(latest(6), 1);
	/* Data begins at the second page of the file. */
	assert_int_equal(pread(fd, &byte, 1, 5000), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
	assert_string_equal(code_of(fd, true, &err), "E_IMAGE_CORRUPT");
	assert_string_equal(code_of(fd, false, &err), "E_IMAGE_CORRUPT");
	close(fd);
}

static void early_pages_after_the_others_are_refused(void **state)
{
	struct image_run run = {BASE, PAGE};
	struct pidspace_error err = {0};
	struct image_writer *w;
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(image_writer_open(&w, fd, &(struct image_options){.compress = IMAGE_NONE, .early = true}, &err), &err);
	for (int i = 0; i < 2; i++) {
		uint8_t *buf = image_page_buffer(w);
		memset(buf, 1, PAGE);
		must(image_write_early_pages(w, 1, 1, buf, &run, 1, &err), &err);
		must(image_write_earlier(w, 1, 1, 1, &run, 1, &err), &err);
	}
	must(image_commit(w, &err), &err);
	image_writer_free(w);
	assert_string_equal(code_of(fd, false, &err), "E_IMAGE_CORRUPT");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latest_copy_counts),
		cmocka_unit_test(latest_copy_counts_by_the_index),
		cmocka_unit_test(latest_copy_counts_in_a_pipe),
		cmocka_unit_test(what_no_frame_holds_is_refused),
		cmocka_unit_test(damage_shows_when_it_is_used),
		cmocka_unit_test(early_pages_after_the_others_are_refused),
	};
	return cmocka_run_group_tests_name("image_early", tests, NULL, NULL);
}
