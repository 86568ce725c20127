#pragma once
/* A parent with 16 MiB and eight children, forked when every page was filled by its number; the last child changes some of
 * its own. The sum of what all of them pay for it (Pss) must be the same after the restore. */
#include "kindtest.h"

enum { COW_CHILDREN = 8, COW_SIZE = 16 << 20, COW_CHANGED = 9 };

struct cow_family {
	char *mem;
	pid_t child[COW_CHILDREN];
};

/* Page i is of seed + i. */
static inline void cow_fill(const struct cow_family *f, uint32_t seed)
{
	for (size_t at = 0; at < COW_SIZE; at += PAGE)
		kt_fill(f->mem + at, PAGE, seed + (uint32_t)(at / PAGE));
}

static inline bool cow_is_changed(size_t at)
{
	return at % (64 * PAGE) == 0;
}

static inline void cow_verify(const struct cow_family *f, bool changed)
{
	for (size_t at = 0; at < COW_SIZE; at += PAGE)
		kt_check_fill("page", f->mem + at, PAGE,
			      changed && cow_is_changed(at) ? COW_CHANGED : (uint32_t)(at / PAGE));
}

static inline void cow_run_child(void *arg)
{
	const struct cow_family *f = arg;
	int i = 0;
	bool last;

	while (i < COW_CHILDREN && f->child[i]) /* those before us */
		i++;
	last = i == COW_CHILDREN - 1;
	for (size_t at = 0; last && at < COW_SIZE; at += PAGE)
		if (cow_is_changed(at))
			kt_fill(f->mem + at, PAGE, COW_CHANGED);
	kt_mark("up.%d", i);
	kt_wait_go();
	kt_await("measured");
	cow_verify(f, last);
	kt_fill(f->mem + PAGE * (1 + (size_t)i), PAGE, 1000); /* nobody else may see that */
	kt_mark("verified.%d", i);
	kt_await("end");
}

static inline void cow_begin(struct cow_family *f)
{
	*f = (struct cow_family){ .mem = kt_map(COW_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE) };
	KT_SYS(madvise(f->mem, COW_SIZE, MADV_NOHUGEPAGE));
	cow_fill(f, 0);
	for (int i = 0; i < COW_CHILDREN; i++) {
		f->child[i] = kt_child(cow_run_child, f);
		kt_await("up.%d", i);
	}
}

/* kB, of the whole family. */
static inline long cow_sum_of_pss(const struct cow_family *f)
{
	long sum = 0;

	for (int i = -1; i < COW_CHILDREN; i++) {
		char path[64], line[256];
		FILE *smaps;

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", i < 0 ? getpid() : f->child[i]);
		smaps = fopen(path, "re");
		KT_CHECK(smaps != NULL);
		while (fgets(line, sizeof(line), smaps))
			if (!strncmp(line, "Pss:", 4))
				sum += strtol(line + 4, NULL, 10);
		fclose(smaps);
	}
	return sum;
}

/* Through checkpoint and restore, and measured on both sides; copies: how often the 16 MiB may be there. */
static inline void cow_carry(const struct cow_family *f, int copies)
{
	long before = cow_sum_of_pss(f), after;

	KT_OP(before, <, (copies + 1) * (COW_SIZE / 1024));
	kt_ready_and_wait();
	after = cow_sum_of_pss(f);
	if (after * 10 > before * 13)
		KT_FAIL("the family pays for %ld kB, before the checkpoint for %ld kB", after, before);
	kt_mark("measured");
	for (int i = 0; i < COW_CHILDREN; i++)
		kt_await("verified.%d", i);
}

static inline void cow_end(const struct cow_family *f)
{
	kt_mark("end");
	for (int i = 0; i < COW_CHILDREN; i++)
		kt_reap_ok(f->child[i]);
}
