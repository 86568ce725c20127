/* Shows: the stack, and any other mapping that grows down, still grows by itself.
 *
 *	first
 */
#include "kindtest.h"

static int deeper(int left, uint32_t seed)
{
	char frame[64 * PAGE];
	int below;

	kt_fill(frame, sizeof(frame), seed);
	below = left ? deeper(left - 1, seed + 1) : 0;
	kt_check_fill("stack frame", frame, sizeof(frame), seed);
	return below + 1;
}

int main(void)
{
	/* Room of its own, since a growing mapping keeps 256 pages away from others. */
	char *room = kt_map(16 << 20, PROT_NONE, MAP_PRIVATE), *top = room + (8 << 20), *map;

	KT_SYS(munmap(room, 16 << 20));
	map = mmap(top, 4 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN, -1, 0);
	KT_CHECK(map == top);
	kt_fill(map - PAGE, 5 * PAGE, 1);
	deeper(2, 0);
	KT_CHECK(kt_vmflag(map, "gd"));
	kt_ready_and_wait();
	KT_CHECK(kt_vmflag(map, "gd"));
	KT_CHECK(kt_vmflag(&room, "gd"));
	kt_check_fill("mapping that grows", map - PAGE, 5 * PAGE, 1);
	for (int i = 2; i < 20; i++)
		kt_fill(map - (size_t)i * PAGE, PAGE, (uint32_t)i);
	KT_EQ(deeper(19, 50), 20); /* 5 MiB */
	for (int i = 2; i < 20; i++)
		kt_check_fill("grown page", map - (size_t)i * PAGE, PAGE, (uint32_t)i);
	kt_pass();
}
