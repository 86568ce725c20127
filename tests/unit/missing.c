/* What an address space still lacks, and the extents it comes from: pure bookkeeping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/extents.h"
#include "migrate/missing.h"

#define P UINT64_C(4096)
#define PAGES 64

/* --- the same by brute force: for each page the page of the source, or none --- */

struct model {
	int64_t origin[PAGES]; /* -1: none */
};

static void agree(const struct missing *m, const struct model *is)
{
	for (size_t i = 0; i < PAGES; i++) {
		uint64_t o;
		bool some = missing_origin(m, i * P, &o);

		assert_int_equal(some, is->origin[i] >= 0);
		if (some)
			assert_int_equal(o, is->origin[i] * (int64_t)P);
	}
	for (size_t i = 1; i < m->range.n; i++)
		assert_true(m->range.at[i - 1].end <= m->range.at[i].start);
}

static void model_move(struct model *is, size_t from, size_t to, size_t n)
{
	struct model was = *is;

	for (size_t i = 0; i < n; i++)
		is->origin[from + i] = -1;
	for (size_t i = 0; i < n; i++)
		is->origin[to + i] = was.origin[from + i];
}

static void start_full(struct missing *m, struct model *is)
{
	*m = (struct missing){};
	assert_int_equal(missing_add(m, 0, 16 * P), 0);
	assert_int_equal(missing_add(m, 16 * P, 32 * P), 0);
	assert_int_equal(missing_add(m, 40 * P, PAGES * P), 0);
	assert_int_equal(m->range.n, 2); /* neighbours are one */
	for (int64_t i = 0; i < PAGES; i++)
		is->origin[i] = i >= 32 && i < 40 ? -1 : i;
}

static void dropped_pages_are_zero_ever_after(void **state)
{
	struct missing m;
	struct model is;

	start_full(&m, &is);
	missing_drop(&m, 3 * P, 5 * P);
	missing_drop(&m, 30 * P, 42 * P);
	for (size_t i = 0; i < PAGES; i++)
		if ((i >= 3 && i < 5) || (i >= 30 && i < 42))
			is.origin[i] = -1;
	agree(&m, &is);
	missing_drop(&m, 0, PAGES * P);
	assert_int_equal(m.range.n, 0);
	missing_done(&m);
}

static void moved_pages_keep_their_origin(void **state)
{
	struct missing m;
	struct model is;

	start_full(&m, &is);
	missing_move(&m, 2 * P, 50 * P, 4 * P);
	model_move(&is, 2, 50, 4);
	agree(&m, &is);
	missing_move(&m, 51 * P, 0, 8 * P);
	model_move(&is, 51, 0, 8);
	agree(&m, &is);
	missing_done(&m);
}

static void any_course_of_events_agrees_with_brute_force(void **state)
{
	srand(4711);
	for (int round = 0; round < 300; round++) {
		struct missing m, child;
		struct model is;

		start_full(&m, &is);
		for (int k = 0; k < 40; k++) {
			size_t n = 1 + (size_t)rand() % 12, a = (size_t)rand() % (PAGES - n);
			size_t b = (size_t)rand() % (PAGES - n);

			if (rand() % 2) {
				assert_int_equal(missing_drop(&m, a * P, (a + n) * P), 0);
				for (size_t i = a; i < a + n; i++)
					is.origin[i] = -1;
			} else if (a + n <= b || b + n <= a) { /* as mremap(2) demands */
				assert_int_equal(missing_move(&m, a * P, b * P, n * P), 0);
				model_move(&is, a, b, n);
			}
			agree(&m, &is);
		}
		assert_int_equal(missing_copy(&child, &m), 0);
		missing_drop(&m, 0, PAGES * P);
		agree(&child, &is);
		missing_done(&child);
		missing_done(&m);
	}
}

static void places_of_a_piece_of_the_source_are_found(void **state)
{
	struct missing m;
	struct model is;
	struct missing_range at;
	uint64_t from = 0;

	start_full(&m, &is);
	missing_move(&m, 10 * P, 33 * P, 2 * P); /* 10 and 11 lie at 33 and 34 */
	missing_drop(&m, 13 * P, 14 * P);
	static const uint64_t expected[][3] = {{8, 10, 8}, {12, 13, 12}, {14, 16, 14}, {33, 35, 10}};
	for (size_t i = 0; i < 4; i++, from = at.end) {
		assert_true(missing_next_place(&m, 8 * P, 16 * P, from, &at));
		assert_int_equal(at.start, expected[i][0] * P);
		assert_int_equal(at.end, expected[i][1] * P);
		assert_int_equal(at.origin, expected[i][2] * P);
	}
	assert_false(missing_next_place(&m, 8 * P, 16 * P, from, &at));
	/* from the middle of a place on */
	assert_true(missing_next_place(&m, 8 * P, 16 * P, 9 * P, &at));
	assert_int_equal(at.start, 9 * P);
	assert_int_equal(at.origin, 9 * P);
	missing_done(&m);
}

static void the_youngest_extent_counts(void **state)
{
	struct extents x = {};
	uint8_t done[4] = {};

	extents_add(&x, 10, 0, 8 * P);
	extents_add(&x, 11, 8 * P, 16 * P);
	extents_add(&x, 12, 4 * P, 12 * P); /* a later round */
	extents_add(&x, 13, 4 * P, 5 * P);
	assert_int_equal(extents_sort(&x), 0);
	size_t k = extents_youngest(&x, 4 * P, 5 * P, done);
	assert_int_equal(x.at.at[k].number, 13);
	done[k] = 1;
	k = extents_youngest(&x, 4 * P, 5 * P, done);
	assert_int_equal(x.at.at[k].number, 12);
	done[k] = 1;
	k = extents_youngest(&x, 4 * P, 5 * P, done);
	assert_int_equal(x.at.at[k].number, 10);
	done[k] = 1;
	assert_int_equal(extents_youngest(&x, 4 * P, 5 * P, done), SIZE_MAX);
	assert_int_equal(x.at.at[extents_youngest(&x, 7 * P, 9 * P, done)].number, 11);
	assert_int_equal(extents_youngest(&x, 16 * P, 20 * P, done), SIZE_MAX);
	extents_done(&x);
}

static void a_long_extent_far_below_is_found(void **state)
{
	struct extents x = {};
	uint8_t done[101] = {};

	extents_add(&x, 0, 0, 1000 * P);
	for (size_t i = 1; i <= 100; i++)
		extents_add(&x, i, i * P, (i + 1) * P);
	assert_int_equal(extents_sort(&x), 0);
	assert_int_equal(x.at.at[extents_youngest(&x, 900 * P, 901 * P, done)].number, 0);
	assert_int_equal(x.at.at[extents_youngest(&x, 50 * P, 51 * P, done)].number, 50);
	assert_int_equal(extents_youngest(&x, 1000 * P, 1001 * P, done), SIZE_MAX);
	extents_done(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dropped_pages_are_zero_ever_after),
		cmocka_unit_test(moved_pages_keep_their_origin),
		cmocka_unit_test(any_course_of_events_agrees_with_brute_force),
		cmocka_unit_test(places_of_a_piece_of_the_source_are_found),
		cmocka_unit_test(the_youngest_extent_counts),
		cmocka_unit_test(a_long_extent_far_below_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
