/* The stream: what is written comes back, whatever the descriptor and the compression. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/format.h"
#include "image/image.h"

#define PAGE ((size_t)4096)

static void must(int r, const struct pidspace_error *err)
{
	if (r < 0)
		fail_msg("%s: %s", err->code, err->message);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* What a page of the guest holds is a function of its address: nothing, noise or text. */
static void fill_page(uint8_t *p, uint64_t address)
{
	uint64_t seed = (address + 1) * 0x2545f4914f6cdd1dULL;
	unsigned kind = address / PAGE % 7;

	memset(p, 0, PAGE);
	if (kind < 2)
		return;
	if (kind == 2) {
		p[next_random(&seed) % PAGE] = 1;
		return;
	}
	for (size_t i = 0; i < PAGE; i += 8) {
		uint64_t v = next_random(&seed);
		if (kind > 4)
			v &= 0x0303030303030303ULL;
		memcpy(p + i, &v, 8);
	}
}

/* A script of frames, deterministic in its seed, played to a writer and compared with a reader. */
struct script {
	uint64_t seed;
	unsigned steps;
	enum image_compress compress;
	int fd;
	bool big; /* blocks up to IMAGE_BLOCK, else a few pages */
	bool ahead; /* threads read ahead from the start */
};

struct step {
	uint16_t type;
	size_t len; /* metadata */
	uint32_t space_id, phase;
	size_t n_runs;
	struct image_run runs[64];
};

static void make_step(struct step *st, uint64_t *seed, bool big)
{
	uint64_t v = next_random(seed);

	memset(st, 0, sizeof *st);
	if (v % 4 == 0) {
		st->type = (uint16_t)(FRAME_PROCESS + (v >> 8) % 4);
		st->len = (v >> 16) % (v % 64 == 0 ? 2000000 : 5000);
		return;
	}
	st->type = FRAME_PAGES;
	st->space_id = (uint32_t)(v >> 8) % 100;
	st->phase = (uint32_t)(v >> 16) % 3;
	st->n_runs = 1 + (v >> 24) % 8;
	uint64_t address = (next_random(seed) & 0xffffff) * PAGE, left = IMAGE_BLOCK;
	for (size_t i = 0; i < st->n_runs; i++) {
		uint64_t most = big && v % 3 ? left / (st->n_runs - i) : 5 * PAGE;
		uint64_t bytes = (1 + next_random(seed) % (most / PAGE)) * PAGE;
		st->runs[i] = (struct image_run){address, bytes};
		address += bytes + (next_random(seed) % 5) * PAGE;
		left -= bytes;
	}
}

static void fill_body(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)next_random(&seed);
}

static void write_script(const struct script *sc)
{
	struct pidspace_error err = {0};
	struct image_writer *w = NULL;
	uint64_t seed = sc->seed;
	uint8_t *body = malloc(2000000);
	struct step st;

	must(image_writer_new(&w, sc->fd, sc->compress, &err), &err);
	for (unsigned i = 0; i < sc->steps; i++) {
		make_step(&st, &seed, sc->big);
		if (st.type != FRAME_PAGES) {
			fill_body(body, st.len, i + 1);
			must(image_write(w, st.type, body, st.len, &err), &err);
			continue;
		}
		uint8_t *buffer = image_page_buffer(w), *p = buffer;
		assert_non_null(buffer);
		for (size_t k = 0; k < st.n_runs; k++)
			for (uint64_t at = 0; at < st.runs[k].bytes; at += PAGE, p += PAGE)
				fill_page(p, st.runs[k].address + at);
		must(image_write_pages(w, st.space_id, st.phase, buffer, st.runs, st.n_runs, &err),
		     &err);
	}
	must(image_commit(w, &err), &err);
	image_writer_free(w);
	free(body);
}

/* The runs that come back cover the given ones exactly, in order, with the same content. */
static void compare_pages(const struct step *st, const struct image_frame *f, int fd)
{
	const uint8_t *data = f->data;
	size_t given = 0, left = f->data_len;
	uint64_t at = 0;
	uint8_t want[4096], raw[4096];

	assert_int_equal(f->space_id, st->space_id);
	assert_int_equal(f->phase, st->phase);
	for (size_t i = 0; i < f->n_runs; i++)
		for (uint64_t k = 0; k < f->runs[i].bytes; k += PAGE) {
			static const uint8_t zero[4096];
			assert_true(given < st->n_runs);
			assert_true(f->runs[i].address + k == st->runs[given].address + at);
			fill_page(want, f->runs[i].address + k);
			assert_true(f->runs[i].zero == !memcmp(want, zero, PAGE));
			if (!f->runs[i].zero) {
				assert_true(left >= PAGE);
				assert_memory_equal(data, want, PAGE);
				if (f->file_offset >= 0) {
					off_t where =
						f->file_offset + (data - (const uint8_t *)f->data);
					assert_true(where % PAGE == 0);
					assert_int_equal(pread(fd, raw, PAGE, where), PAGE);
					assert_memory_equal(raw, want, PAGE);
				}
				data += PAGE;
				left -= PAGE;
			}
			at += PAGE;
			if (at == st->runs[given].bytes) {
				at = 0;
				given++;
			}
		}
	assert_int_equal(given, st->n_runs);
	assert_int_equal(left, 0);
}

static void read_script(const struct script *sc)
{
	struct pidspace_error err = {0};
	struct image_reader *r = NULL;
	struct image_frame f;
	uint64_t seed = sc->seed;
	uint8_t *body = malloc(2000000);
	struct step st;

	must(image_reader_new(&r, sc->fd, &err), &err);
	if (sc->ahead)
		assert_int_equal(image_reader_read_ahead(r), 1);
	for (unsigned i = 0; i < sc->steps; i++) {
		make_step(&st, &seed, sc->big);
		int more = image_next(r, &f, &err);
		must(more, &err);
		assert_int_equal(more, 1);
		assert_int_equal(f.number, i);
		assert_int_equal(f.type, st.type);
		if (st.type == FRAME_PAGES) {
			compare_pages(&st, &f, sc->fd);
			continue;
		}
		fill_body(body, st.len, i + 1);
		assert_int_equal(f.len, st.len);
		assert_memory_equal(f.body, body, st.len);
	}
	must(image_next(r, &f, &err), &err);
	assert_int_equal(image_next(r, &f, &err), 0);
	image_reader_free(r);
	free(body);
}

static void *write_thread(void *arg)
{
	struct script *sc = arg;

	write_script(sc);
	return NULL;
}

/* --- tests --- */

static void file_round_trip(const struct script *base)
{
	struct script sc = *base;

	sc.fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(sc.fd >= 0);
	write_script(&sc);
	lseek(sc.fd, 0, SEEK_SET);
	read_script(&sc);
	lseek(sc.fd, 0, SEEK_SET);
	sc.ahead = true;
	read_script(&sc);
	close(sc.fd);
}

static void round_trip_none(void **state)
{
	file_round_trip(&(struct script){.seed = 1, .steps = 120, .compress = IMAGE_NONE});
	file_round_trip(
		&(struct script){.seed = 2, .steps = 40, .compress = IMAGE_NONE, .big = true});
}

static void round_trip_lz4(void **state)
{
	file_round_trip(&(struct script){.seed = 3, .steps = 120, .compress = IMAGE_LZ4});
	file_round_trip(
		&(struct script){.seed = 4, .steps = 40, .compress = IMAGE_LZ4, .big = true});
}

static void round_trip_zstd(void **state)
{
	file_round_trip(&(struct script){.seed = 5, .steps = 120, .compress = IMAGE_ZSTD});
	file_round_trip(
		&(struct script){.seed = 6, .steps = 40, .compress = IMAGE_ZSTD, .big = true});
}

static void through(int in, int out, enum image_compress c, uint64_t seed)
{
	struct script w = {.seed = seed, .steps = 40, .compress = c, .fd = out, .big = true}, r = w;
	pthread_t t;

	r.fd = in;
	assert_int_equal(pthread_create(&t, NULL, write_thread, &w), 0);
	read_script(&r);
	pthread_join(t, NULL);
	close(in);
	close(out);
}

static void round_trip_pipe(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		int p[2];
		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		through(p[0], p[1], c, 10 + c);
	}
}

static void round_trip_socket(void **state)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		int p[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
		through(p[0], p[1], c, 20 + c);
	}
}

static void empty_stream(void **state)
{
	file_round_trip(&(struct script){.seed = 1, .steps = 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_none),   cmocka_unit_test(round_trip_lz4),
		cmocka_unit_test(round_trip_zstd),   cmocka_unit_test(round_trip_pipe),
		cmocka_unit_test(round_trip_socket), cmocka_unit_test(empty_stream),
	};
	return cmocka_run_group_tests_name("image_stream", tests, NULL, NULL);
}
