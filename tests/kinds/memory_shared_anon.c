/* Shows: processes that share anonymous memory see each other's writes, wherever it is mapped.
 *
 *	first ─┬─ a, mapped at the same place
 *	       └─ b, moved and only its second half left
 */
#include "kindtest.h"

enum { SIZE = 1 << 20, HALF = SIZE / 2 };
static char *mem;

static void turn(volatile char *at, char expect, char put)
{
	KT_UNTIL(*at == expect);
	*at = put;
}

/* The first page and the first of the second half stay free for turns. */
static void verify(void)
{
	kt_check_fill("first half", mem + PAGE, HALF - PAGE, 1);
	kt_check_fill("second half", mem + HALF + PAGE, HALF - PAGE, 2);
}

static void a(void *arg)
{
	kt_mark("a");
	kt_wait_go();
	verify();
	turn(mem + HALF, 1, 2);
	turn(mem + HALF, 3, 4);
}

static void b(void *arg)
{
	char *half;

	KT_SYS(munmap(mem, HALF));
	half = mremap(mem + HALF, HALF, HALF, MREMAP_MAYMOVE | MREMAP_FIXED,
		      kt_map(HALF, PROT_NONE, MAP_PRIVATE));
	KT_CHECK(half != MAP_FAILED && half != mem + HALF);
	kt_mark("b");
	kt_wait_go();
	kt_check_fill("shared, seen by b", half + PAGE, HALF - PAGE, 2);
	turn(half, 2, 3);
}

int main(void)
{
	pid_t pids[2];

	mem = kt_map(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pids[0] = kt_child(a, NULL);
	pids[1] = kt_child(b, NULL);
	kt_await("a");
	kt_await("b");
	kt_fill(mem + PAGE, HALF - PAGE, 1);
	kt_fill(mem + HALF + PAGE, HALF - PAGE, 2);
	kt_ready_and_wait();
	KT_CHECK(kt_vmflag(mem, "sh"));
	verify();
	mem[HALF] = 1; /* from here on the processes count it up in turn */
	turn(mem + HALF, 4, 5);
	kt_reap_ok(pids[0]);
	kt_reap_ok(pids[1]);
	kt_pass();
}
