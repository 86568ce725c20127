/* Huge pages out of small ones, in the memory of the test itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/sys.h"
#include "migrate/huge.h"

#define PAGE 4096
#define HUGE_PAGES 6

static long huge_kb(const uint8_t *at)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	unsigned long start, end;
	bool here = false;
	long kb = -1;

	while (f && kb < 0 && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)at && end > (unsigned long)at;
		else if (here)
			sscanf(line, "AnonHugePages: %ld", &kb);
	}
	if (f)
		fclose(f);
	return kb;
}

/* Memory that may have huge pages and has none. */
static int set_up(void **state)
{
	uint8_t *raw = mmap(NULL, (HUGE_PAGES + 1) * HUGE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at = raw + (-(uintptr_t)raw & (HUGE_PAGE - 1));

	assert_true(raw != MAP_FAILED);
	*state = madvise(at, HUGE_PAGES * HUGE_PAGE, MADV_HUGEPAGE) == 0 ? at : NULL;
	return 0;
}

static int tear_down(void **state)
{
	/* Left there it would be one mapping with the next test's. */
	return *state ? munmap(*state, HUGE_PAGES * HUGE_PAGE) : 0;
}

/* The kernel does not make huge pages of what is filled. */
static void fill(uint8_t *at, size_t bytes)
{
	madvise(at, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += PAGE)
		memset(at + i, (int)(i / PAGE % 251) + 1, PAGE);
	assert_int_equal(huge_kb(at), 0);
	madvise(at, bytes, MADV_HUGEPAGE); /* from now on khugepaged may do it by itself */
}

static struct huge of_memory(const uint8_t *at)
{
	struct huge h = {.process = sys_pidfd_open(getpid(), 0)};

	assert_true(h.process >= 0);
	assert_int_equal(huge_add(&h, (uint64_t)at, (uint64_t)at + HUGE_PAGES * HUGE_PAGE), 0);
	return h;
}

static void all_that_was_filled_is_put_together(void **state)
{
	uint8_t *at = *state;

	if (!at)
		skip();
	fill(at, HUGE_PAGES * HUGE_PAGE);
	struct huge h = of_memory(at);
	/* In pieces that end anywhere. */
	for (size_t done = 0, n = 7 * 17 * PAGE; done < HUGE_PAGES * HUGE_PAGE; done += n)
		huge_note(&h, (uint64_t)at + done, n);
	huge_collapse(&h);
	assert_int_equal(huge_kb(at), HUGE_PAGES * HUGE_PAGE / 1024);
	for (size_t i = 0; i < HUGE_PAGES * HUGE_PAGE; i += PAGE)
		assert_int_equal(at[i], (int)(i / PAGE % 251) + 1);
	huge_done(&h);
}

static void areas_with_gaps_too_but_empty_ones_stay_empty(void **state)
{
	uint8_t *at = *state;

	if (!at)
		skip();
	fill(at + HUGE_PAGE, PAGE);
	struct huge h = of_memory(at);
	huge_note(&h, (uint64_t)at + HUGE_PAGE, PAGE);
	huge_collapse(&h);
	assert_int_equal(huge_kb(at), HUGE_PAGE / 1024);
	assert_int_equal(at[HUGE_PAGE], 1);
	huge_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_was_filled_is_put_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(areas_with_gaps_too_but_empty_ones_stay_empty, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
