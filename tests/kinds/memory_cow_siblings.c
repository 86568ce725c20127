/* Shows: what siblings inherited from a parent that has since written over or unmapped it.
 *
 *	first (overwrote half, unmapped a quarter) ─┬─ a (changed a few) ── c (changed a few of a's)
 *	                                            └─ b (moved it elsewhere)
 */
#include "kindtest.h"

enum { PAGES = 1024 };
static char *mem;

/* Who writes which pages last: every page of a process carries one seed. */
static void change(char *at, int from, int step, uint32_t seed)
{
	for (int i = from; i < PAGES; i += step)
		kt_fill(at + (size_t)i * PAGE, PAGE, seed + (uint32_t)i);
}

static void verify(const char *at, int i, uint32_t seed)
{
	kt_check_fill("page", at + (size_t)i * PAGE, PAGE, seed + (uint32_t)i);
}

static void c(void *arg)
{
	change(mem, 0, 20, 30000);
	kt_mark("c");
	kt_wait_go();
	for (int i = 0; i < PAGES; i++)
		verify(mem, i, i % 20 == 0 ? 30000 : i % 10 == 0 ? 10000 : 0);
}

static void a(void *arg)
{
	pid_t child;

	change(mem, 0, 10, 10000);
	child = kt_child(c, NULL);
	kt_mark("a");
	kt_wait_go();
	for (int i = 0; i < PAGES; i++)
		verify(mem, i, i % 10 == 0 ? 10000 : 0);
	kt_reap_ok(child);
}

static void b(void *arg)
{
	char *to = kt_map(2 * PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	KT_CHECK(mremap(mem, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			to + 7 * PAGE) == to + 7 * PAGE);
	change(to + 7 * PAGE, 3, 100, 20000);
	kt_mark("b");
	kt_wait_go();
	for (int i = 0; i < PAGES; i++)
		verify(to + 7 * PAGE, i, i % 100 == 3 ? 20000 : 0);
	KT_ERR(access(mem, F_OK), EFAULT);
}

int main(void)
{
	pid_t pids[2];

	mem = kt_map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	change(mem, 0, 1, 0);
	pids[0] = kt_child(a, NULL);
	pids[1] = kt_child(b, NULL);
	kt_await("a");
	kt_await("b");
	kt_await("c");
	change(mem, 1, 2, 40000);
	KT_SYS(munmap(mem + PAGES / 4 * PAGE, PAGES / 4 * PAGE));
	kt_ready_and_wait();
	for (int i = 0; i < PAGES; i++) {
		if (i < PAGES / 4 || i >= PAGES / 2)
			verify(mem, i, i % 2 ? 40000 : 0);
		else
			KT_ERR(access(mem + (size_t)i * PAGE, F_OK), EFAULT);
	}
	kt_reap_ok(pids[0]);
	kt_reap_ok(pids[1]);
	kt_pass();
}
