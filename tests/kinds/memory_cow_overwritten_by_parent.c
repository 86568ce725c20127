/* Shows: pages that siblings share only with each other, because their parent wrote over them after it had forked
 * them, are one copy again, and each side has its own content.
 *
 *	first (16 MiB, all written anew after the forks) ─┬─ 0
 *	                                                  ├─ …
 *	                                                  └─ 7     the last has changed some pages of its own
 */
#include "kindtest.h"

enum { CHILDREN = 8, SIZE = 16 << 20 };
static char *mem;

static void verify(bool changed)
{
	for (size_t at = 0; at < SIZE; at += PAGE)
		kt_check_fill("page", mem + at, PAGE,
			      changed && at % (64 * PAGE) == 0 ? 9 : (uint32_t)(at / PAGE));
}

/* Of the parent, which writes zeros too: those are left out of an image. */
static bool is_zero(size_t at)
{
	return at % (32 * PAGE) == 5 * PAGE;
}

static void verify_parent(void)
{
	for (size_t at = 0; at < SIZE; at += PAGE)
		if (is_zero(at))
			KT_OP(mem[at] | mem[at + PAGE - 1], ==, 0);
		else
			kt_check_fill("page", mem + at, PAGE, 50000 + (uint32_t)(at / PAGE));
}

static void child(void *arg)
{
	bool last = (intptr_t)arg == CHILDREN - 1;

	if (last)
		for (size_t at = 0; at < SIZE; at += 64 * PAGE)
			kt_fill(mem + at, PAGE, 9);
	kt_mark("up.%d", (int)(intptr_t)arg);
	kt_wait_go();
	kt_await("measured");
	verify(last);
	kt_fill(mem + PAGE * (1 + (size_t)(intptr_t)arg), PAGE, 1000); /* nobody else may see that */
	kt_mark("verified.%d", (int)(intptr_t)arg);
	kt_await("end");
}

/* kB, of the whole family. */
static long sum_of_pss(const pid_t *pids)
{
	long sum = 0;

	for (int i = -1; i < CHILDREN; i++) {
		char path[64], line[256];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", i < 0 ? getpid() : pids[i]);
		f = fopen(path, "re");
		KT_CHECK(f != NULL);
		while (fgets(line, sizeof(line), f))
			if (!strncmp(line, "Pss:", 4))
				sum += strtol(line + 4, NULL, 10);
		fclose(f);
	}
	return sum;
}

static void write_all(uint32_t seed)
{
	for (size_t at = 0; at < SIZE; at += PAGE)
		kt_fill(mem + at, PAGE, seed + (uint32_t)(at / PAGE));
}

int main(void)
{
	pid_t pids[CHILDREN];
	long before, after;

	mem = kt_map(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KT_SYS(madvise(mem, SIZE, MADV_NOHUGEPAGE));
	write_all(0);
	for (intptr_t i = 0; i < CHILDREN; i++) {
		pids[i] = kt_child(child, (void *)i);
		kt_await("up.%d", (int)i);
	}
	write_all(50000);
	for (size_t at = 0; at < SIZE; at += PAGE)
		if (is_zero(at))
			memset(mem + at, 0, PAGE);
	before = sum_of_pss(pids);
	KT_OP(before, <, 3 * SIZE / 1024);
	kt_ready_and_wait();
	after = sum_of_pss(pids);
	if (after * 10 > before * 13)
		KT_FAIL("the family pays for %ld kB, before the checkpoint for %ld kB", after, before);
	kt_mark("measured");
	for (int i = 0; i < CHILDREN; i++)
		kt_await("verified.%d", i);
	verify_parent();
	kt_mark("end");
	for (int i = 0; i < CHILDREN; i++)
		kt_reap_ok(pids[i]);
	kt_pass();
}
