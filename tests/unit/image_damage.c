/* Damaged, hostile and newer images: one clear error each, never a crash, never success. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "image/format.h"
#include "image/image.h"

#define PAGE ((size_t)4096)

static struct crc32c crc;

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* --- a small image with everything in it --- */

struct bytes {
	uint8_t *at;
	size_t len;
};

static void pages(struct image_writer *w, bool noise)
{
	struct image_run runs[] = {{0x7000, 2 * PAGE}, {0x100000, PAGE}};
	uint64_t seed = 99;
	uint8_t *p = image_page_buffer(w);

	memset(p, 0, 3 * PAGE);
	for (size_t i = 0; i < PAGE; i++)
		p[PAGE + i] = noise ? (uint8_t)next_random(&seed) : (uint8_t)(i / 100);
	assert_int_equal(image_write_pages(w, 3, 1, p, runs, 2, NULL), 0);
}

static struct bytes small_image(enum image_compress c)
{
	struct image_writer *w;
	struct bytes b;
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_int_equal(image_writer_new(&w, fd, c, NULL), 0);
	assert_int_equal(image_write(w, FRAME_HOST, "host", 4, NULL), 0);
	assert_int_equal(image_write(w, FRAME_CONTAINER, "", 0, NULL), 0);
	pages(w, false);
	if (c == IMAGE_LZ4)
		pages(w, true); /* does not shrink: raw */
	assert_int_equal(image_commit(w, NULL), 0);
	image_writer_free(w);
	b.len = (size_t)lseek(fd, 0, SEEK_END);
	b.at = malloc(b.len);
	assert_int_equal(pread(fd, b.at, b.len, 0), (ssize_t)b.len);
	close(fd);
	return b;
}

/* Reads to the end, touching every byte that is handed out. 0 or -errno. */
static int read_image(int fd, bool ahead, struct pidspace_error *err)
{
	struct image_reader *r = NULL;
	struct image_frame f;
	volatile uint64_t sum = 0;
	int status;

	memset(err, 0, sizeof *err);
	status = image_reader_new(&r, fd, err);
	if (status == 0 && ahead)
		image_reader_read_ahead(r);
	while (status >= 0 && (status = image_next(r, &f, err)) > 0) {
		for (size_t i = 0; i < f.len; i++)
			sum += ((const uint8_t *)f.body)[i];
		for (size_t i = 0; f.data && i < f.data_len; i++)
			sum += ((const uint8_t *)f.data)[i];
		for (size_t i = 0; i < f.n_runs; i++)
			sum += f.runs[i].bytes;
	}
	if (r && status < 0) { /* an error stays */
		struct pidspace_error again;
		assert_int_equal(image_next(r, &f, &again), status);
		assert_string_equal(again.message, err->message);
	}
	image_reader_free(r);
	return status;
}

static int read_file(const void *p, size_t len, struct pidspace_error *err)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_int_equal(write(fd, p, len), (ssize_t)len);
	lseek(fd, 0, SEEK_SET);
	int status = read_image(fd, false, err);
	close(fd);
	return status;
}

static int read_pipe(const void *p, size_t len, bool ahead, struct pidspace_error *err)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_true(len <= 65536);
	assert_int_equal(write(fd[1], p, len), (ssize_t)len);
	close(fd[1]);
	int status = read_image(fd[0], ahead, err);
	close(fd[0]);
	return status;
}

static void assert_located(const struct pidspace_error *err, const char *what, size_t at)
{
	if (strncmp(err->code, "E_IMAGE_", 8) ||
	    (strstr(err->code, "MAGIC") == NULL && !strstr(err->message, "frame")) ||
	    !strstr(err->message, "byte"))
		fail_msg("%s at %zu: %s \"%s\" does not say where", what, at, err->code,
			 err->message);
}

/* --- tests --- */

static void cut_at_every_byte(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		struct bytes b = small_image(c);
		struct pidspace_error err;
		int fd = memfd_create("image", MFD_CLOEXEC);

		assert_int_equal(write(fd, b.at, b.len), (ssize_t)b.len);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(read_image(fd, false, &err), 0);
		for (size_t n = b.len; n-- > 0;) {
			assert_int_equal(ftruncate(fd, (off_t)n), 0);
			lseek(fd, 0, SEEK_SET);
			assert_int_equal(read_image(fd, n % 97 == 0, &err), -ENODATA);
			assert_string_equal(err.code, "E_IMAGE_TRUNCATED");
			assert_located(&err, "cut", n);
			if (n % 7 && n > 300) /* the two differ in how they read, not in what they see */
				continue;
			assert_int_equal(read_pipe(b.at, n, n % 89 == 0, &err), -ENODATA);
			assert_string_equal(err.code, "E_IMAGE_TRUNCATED");
		}
		close(fd);
		free(b.at);
	}
}

static void flip_at_every_byte(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		struct bytes b = small_image(c);
		struct pidspace_error err;
		int fd = memfd_create("image", MFD_CLOEXEC);

		assert_int_equal(write(fd, b.at, b.len), (ssize_t)b.len);
		for (size_t n = 0; n < b.len; n++) {
			uint8_t flipped = (uint8_t)(b.at[n] ^ 1 << (n * 5 % 8));
			assert_int_equal(pwrite(fd, &flipped, 1, (off_t)n), 1);
			lseek(fd, 0, SEEK_SET);
			if (read_image(fd, n % 97 == 0, &err) >= 0)
				fail_msg("compression %d: a flipped bit in byte %zu was not seen",
					 c, n);
			assert_located(&err, "flip", n);
			assert_int_equal(pwrite(fd, b.at + n, 1, (off_t)n), 1);
		}
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(read_image(fd, false, &err), 0);
		close(fd);
		free(b.at);
	}
}

static void wrong_start(void **state)
{
	struct bytes b = small_image(IMAGE_NONE);
	struct pidspace_error err;

	assert_int_equal(read_file("", 0, &err), -ENODATA);
	assert_string_equal(err.code, "E_IMAGE_TRUNCATED");
	assert_int_equal(read_file("#!", 2, &err), -EINVAL);
	assert_string_equal(err.code, "E_IMAGE_MAGIC");
	assert_int_equal(read_file("#!/bin/sh\nexec something else\n", 30, &err), -EINVAL);
	assert_string_equal(err.code, "E_IMAGE_MAGIC");

	format_put32(b.at + 8, FORMAT_VERSION + 1);
	assert_int_equal(read_file(b.at, b.len, &err), -EPROTONOSUPPORT);
	assert_string_equal(err.code, "E_IMAGE_VERSION");
	assert_non_null(strstr(err.message, "use a newer pidspace"));

	format_start(b.at, &crc, 1ULL << 63);
	assert_int_equal(read_file(b.at, b.len, &err), -EPROTONOSUPPORT);
	assert_string_equal(err.code, "E_IMAGE_FEATURE");
	assert_non_null(strstr(err.message, "0x8000000000000000"));
	free(b.at);
}

static void more_after_the_end(void **state)
{
	struct bytes b = small_image(IMAGE_NONE);
	struct pidspace_error err;

	b.at = realloc(b.at, b.len + 1);
	b.at[b.len] = 0;
	assert_int_equal(read_file(b.at, b.len + 1, &err), -EBADMSG);
	assert_string_equal(err.code, "E_IMAGE_CORRUPT");
	assert_non_null(strstr(err.message, "more bytes follow"));
	free(b.at);
}

/* On a socket the two sides talk on after the image: not a byte of that may be taken. */
static void socket_is_not_overread(void **state)
{
	struct bytes b = small_image(IMAGE_LZ4);
	struct pidspace_error err;
	char rest[16] = "";
	int p[2];

	for (int ahead = 0; ahead < 2; ahead++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
		assert_int_equal(write(p[1], b.at, b.len), (ssize_t)b.len);
		assert_int_equal(write(p[1], "ready?", 6), 6);
		assert_int_equal(read_image(p[0], ahead, &err), 0);
		assert_int_equal(read(p[0], rest, sizeof rest), 6);
		assert_memory_equal(rest, "ready?", 6);
		close(p[0]);
		close(p[1]);
	}
	free(b.at);
}

/* --- hand-made frames, with checksums that fit --- */

struct maker {
	uint8_t at[1 << 18];
	size_t len;
	uint32_t frames;
	struct format_digest digest;
};

static void make_start(struct maker *m, uint64_t features)
{
	memset(m, 0, sizeof *m);
	format_start(m->at, &crc, features);
	m->len = FORMAT_START_LEN;
}

static void make_frame(struct maker *m, struct format_head h, const void *payload, size_t len)
{
	if (!h.number)
		h.number = m->frames;
	if (!h.length)
		h.length = len;
	h.crc = crc32c(&crc, 0, payload, len);
	format_head_encode(m->at + m->len, &crc, &h);
	format_digest_add(&m->digest, m->at + m->len);
	m->len += FORMAT_HEAD_LEN;
	memcpy(m->at + m->len, payload, len);
	m->len += len;
	m->frames++;
}

static void make_commit(struct maker *m)
{
	uint8_t body[FORMAT_COMMIT_LEN];
	struct format_commit c = {.frames = m->frames, .bytes = m->len, .digest = m->digest};

	format_commit_encode(body, &c);
	make_frame(m, (struct format_head){.type = FRAME_COMMIT}, body, sizeof body);
}

static void expect(struct maker *m, const char *why)
{
	struct pidspace_error err;

	if (m->frames && m->len < sizeof m->at - 200)
		make_commit(m);
	int status = read_pipe(m->at, m->len < 65536 ? m->len : 65536, false, &err);
	if (!why) {
		if (status)
			fail_msg("should be fine: %s", err.message);
		return;
	}
	assert_true(status < 0);
	assert_located(&err, why, 0);
	if (!strstr(err.message, why))
		fail_msg("expected \"%s\", got \"%s\"", why, err.message);
}

struct pages_case {
	struct format_pages p;
	uint64_t runs[4][2]; /* address, bytes with the zero bit */
	const char *why;
};

static void expect_pages(uint64_t features, const struct pages_case *c, const void *data,
			 size_t len)
{
	static struct maker m;
	static uint8_t payload[1 << 16];
	size_t at = FORMAT_PAGES_LEN;

	format_pages_encode(payload, &c->p);
	for (unsigned i = 0; i < c->p.n_runs && i < 4; i++, at += FORMAT_RUN_LEN) {
		format_put64(payload + at, c->runs[i][0]);
		format_put64(payload + at + 8, c->runs[i][1]);
	}
	memcpy(payload + at, data, len);
	make_start(&m, features);
	make_frame(&m, (struct format_head){.type = FRAME_PAGES}, payload, at + len);
	expect(&m, c->why);
}

static void hostile_pages(void **state)
{
	static const uint8_t page[4096];
	/* clang-format off */
#define PLAIN(n) .n_runs = n, .data_len = 4096, .stored_len = 4096
	static const struct pages_case cases[] = {
		{{PLAIN(1)},                                  {{4096, 4096}},            NULL},
		{{PLAIN(1)},                                  {{4095, 4096}},            "whole pages"},
		{{PLAIN(1)},                                  {{4096, 4098}},            "whole pages"},
		{{PLAIN(2)},                                  {{4096, 4096}, {0, 0}},    "whole pages"},
		{{PLAIN(1)},                                  {{-4096ULL, 8192}},        "last address"},
		{{PLAIN(1)},                                  {{0, -4096ULL}},           "longer than its data"},
		{{PLAIN(2)},                                  {{0, 4096}, {8192, 4096}}, "longer than its data"},
		{{PLAIN(1)},                                  {{0, 4097}},               "more data than its runs"},
		{{PLAIN(0)},                                  {{0}},                     "more data than its runs"},
		{{PLAIN(UINT32_MAX)},                         {{0, 4096}},               "more runs"},
		{{.n_runs = 1, .data_len = 8192, .stored_len = 4096}, {{0, 8192}},               "wrong size"},
		{{.n_runs = 1, .data_len = 8192, .stored_len = 8192}, {{0, 8192}},       "add up"},
		{{PLAIN(1), .pad = 4096},                     {{0, 4096}},               "padding"},
		{{.n_runs = 1, .data_len = 1ULL << 40, .stored_len = 1ULL << 40}, {{0, 4096}}, "more data than a block"},
		{{.n_runs = 1, .encoding = 1, .data_len = 1ULL << 40, .stored_len = 4096}, {{0, 4096}}, "more data than a block"},
		{{PLAIN(1), .encoding = 3},                   {{0, 4096}},               "unknown compression"},
		{{PLAIN(1), .encoding = 1},                   {{0, 4096}},               "cannot be decompressed"},
		{{PLAIN(1), .encoding = 2},                   {{0, 4096}},               "cannot be decompressed"},
		{{.n_runs = 1, .encoding = 2, .stored_len = 4096}, {{0, 4097}},          "for no memory"},
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_pages(FORMAT_FEATURES, &cases[i], page, sizeof page);
	expect_pages(FORMAT_FEATURE_LZ4,
		     &(struct pages_case){
			     {.n_runs = 1, .encoding = 2, .data_len = 4096, .stored_len = 4096},
			     {{0, 4096}},
			     "does not announce"},
		     page, sizeof page);
}

/* Fewer or more bytes come out than the frame says: neither is taken. */
static void decompression_is_bounded(void **state)
{
	size_t big = 1 << 20;
	uint8_t *zeros = calloc(1, big), *out = malloc(big);

	for (size_t len = 0; len <= big; len = len ? len * 256 : 4096) {
		size_t n = ZSTD_compress(out, big, zeros, len, 3);
		assert_false(ZSTD_isError(n));
		expect_pages(FORMAT_FEATURES,
			     &(struct pages_case){{.n_runs = 1,
						   .encoding = IMAGE_ZSTD,
						   .data_len = 4096,
						   .stored_len = n},
						  {{0, 4096}},
						  len == 4096 ? NULL : "cannot be decompressed"},
			     out, n);
	}
	free(zeros);
	free(out);
}

static void hostile_frames(void **state)
{
	static struct maker m;
	struct format_head odd[] = {
		{.type = FRAME_HOST, .length = 1ULL << 63},
		{.type = FRAME_HOST, .length = FORMAT_MAX_METADATA},
		{.type = FRAME_PAGES, .length = 1ULL << 32},
		{.type = FRAME_PAGES, .length = 4},
		{.type = FRAME_HOST, .flags = 1},
		{.type = FRAME_HOST, .number = 7},
		{.type = 0},
		{.type = FRAME_INDEX},
		{.type = FRAME_COMMIT},
	};
	const char *why[] = {"more bytes than a message",
			     "is cut off",
			     "more bytes than pages",
			     "too short",
			     "unknown flag",
			     "in the place of another",
			     "no type",
			     "before the commit",
			     "wrong length"};

	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		make_start(&m, 0);
		make_frame(&m, odd[i], "four", 4);
		expect(&m, why[i]);
	}
	/* A commit that leaves a frame out, and one that comes from elsewhere. */
	make_start(&m, 0);
	make_frame(&m, (struct format_head){.type = FRAME_HOST}, "four", 4);
	m.digest.b++;
	expect(&m, "does not match the frames before it");
	make_start(&m, 0);
	make_frame(&m, (struct format_head){.type = FRAME_HOST}, "four", 4);
	m.len -= FORMAT_HEAD_LEN + 4;
	m.frames = 0;
	make_frame(&m, (struct format_head){.type = FRAME_HOST}, "five", 4);
	expect(&m, "does not match the frames before it");
	/* Frames of types to come pass through: features say what must be understood. */
	make_start(&m, 0);
	make_frame(&m, (struct format_head){.type = 4711}, "four", 4);
	expect(&m, NULL);
}

/* Random damage with checksums made to fit again, so that it is seen by what lies behind them. */
static void random_damage(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		struct bytes b = small_image(c);
		uint8_t *p = malloc(b.len);
		struct pidspace_error err;
		uint64_t seed = 4242 + c;
		unsigned fine = 0;

		for (unsigned round = 0; round < 4000; round++) {
			struct format_digest digest = {0};
			size_t at = FORMAT_START_LEN;

			memcpy(p, b.at, b.len);
			for (unsigned k = 1 + next_random(&seed) % 3; k; k--)
				p[at + next_random(&seed) % (round % 2 ? b.len - at : 400)] =
					(uint8_t)next_random(&seed);
			while (at + FORMAT_HEAD_LEN <= b.len) {
				struct format_head h = {.type = format_get16(p + at),
							.flags = format_get16(p + at + 2),
							.number = format_get32(p + at + 4),
							.length = format_get64(p + at + 8)};
				uint8_t *payload = p + at + FORMAT_HEAD_LEN;
				uint64_t left = b.len - at - FORMAT_HEAD_LEN;

				if (h.type == FRAME_COMMIT && left >= FORMAT_COMMIT_LEN) {
					format_put64(payload + 16, digest.a);
					format_put64(payload + 24, digest.b);
				}
				h.crc = crc32c(&crc, 0, payload, h.length < left ? h.length : left);
				format_head_encode(p + at, &crc, &h);
				format_digest_add(&digest, p + at);
				if (h.length > left)
					break;
				at += FORMAT_HEAD_LEN + h.length;
			}
			int status = read_file(p, b.len, &err);
			assert_true(status <= 0);
			if (status < 0)
				assert_located(&err, "random", round);
			fine += status == 0;
		}
		/* Damage inside the data alone, made to fit, is another image: some must be. */
		assert_true(fine > 0);
		assert_true(fine < 4000);
		free(p);
		free(b.at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(flip_at_every_byte),
		cmocka_unit_test(wrong_start),
		cmocka_unit_test(more_after_the_end),
		cmocka_unit_test(socket_is_not_overread),
		cmocka_unit_test(hostile_pages),
		cmocka_unit_test(decompression_is_bounded),
		cmocka_unit_test(hostile_frames),
		cmocka_unit_test(random_damage),
	};
	crc32c_init(&crc);
	return cmocka_run_group_tests_name("image_damage", tests, NULL, NULL);
}
