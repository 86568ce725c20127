/* migrate_pages and move_pages of oneself, a child, nobody. */
#include "case.h"

static void of_a_child_and_of_nobody(void)
{
	unsigned long node0 = 1;
	pid_t child = bd_sleeper();
	void *page = (void *)((uintptr_t)&node0 & ~4095UL);
	int status = -1;

	if (raw(SYS_migrate_pages, 0, 64, &node0, &node0) == -ENOSYS)
		bd_skip("this kernel has no NUMA");
	BD_DO(raw(SYS_migrate_pages, child, 64, &node0, &node0));
	BD_DO(raw(SYS_move_pages, child, 1, &page, NULL, &status, 0));
	BD_OUTSIDE_ERR(raw(SYS_migrate_pages, outside, 64, &node0, &node0), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_move_pages, outside, 1, &page, NULL, &status, 0), ESRCH);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "of a child and of nobody", of_a_child_and_of_nobody },
	{},
};
