/* Shows: what lay in huge pages is right, and lies in huge pages again; after a lazy restore once all of it
 * is there.
 *
 *	first
 */
#include "kindtest.h"

enum { SIZE = 16 << 20, HUGE = 2 << 20 };

int main(void)
{
	char *raw = kt_map(SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *mem = (char *)(((uintptr_t)raw + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	long before;

	if (madvise(mem, SIZE, MADV_HUGEPAGE) < 0)
		kt_skip("the kernel has no transparent huge pages");
	kt_fill(mem, SIZE, 1);
	before = kt_smaps_kb(mem, "AnonHugePages:");
	if (before < SIZE / 1024)
		kt_skip("the kernel gave no huge pages");
	kt_ready_and_wait();
	kt_check_fill("huge pages", mem, SIZE, 1);
	KT_CHECK(kt_vmflag(mem, "hg"));
	KT_UNTIL(kt_smaps_kb(mem, "AnonHugePages:") * 2 >= before);
	kt_pass();
}
