/* Shows: pages without access keep what they hold, and guard pages (MADV_GUARD_INSTALL) still guard.
 *
 *	first
 */
#include "kindtest.h"

#define MADV_GUARD_INSTALL_ 102 /* Linux 6.13 */

static bool reachable(const char *p)
{
	return access(p, F_OK) == 0 || errno != EFAULT;
}

int main(void)
{
	char *none = kt_map(32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *reserved = kt_map(64 << 20, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	char *guarded = kt_map(32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	bool guards;

	kt_fill(none, 32 * PAGE, 1);
	KT_SYS(mprotect(none + 8 * PAGE, 16 * PAGE, PROT_NONE));
	kt_fill(guarded, 32 * PAGE, 2);
	guards = madvise(guarded + 4 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL_) == 0;
	kt_ready_and_wait();
	kt_check_fill("beside", none, 8 * PAGE, 1);
	KT_CHECK(!reachable(none + 8 * PAGE));
	KT_CHECK(!reachable(none + 24 * PAGE - 1));
	KT_SYS(mprotect(none + 8 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE));
	kt_check_fill("without access meanwhile", none, 32 * PAGE, 1);
	KT_CHECK(!reachable(reserved + (32 << 20)));
	KT_SYS(mprotect(reserved, PAGE, PROT_READ | PROT_WRITE));
	KT_EQ(reserved[0], 0);
	kt_check_fill("before the guard", guarded, 4 * PAGE, 2);
	KT_EQ(reachable(guarded + 4 * PAGE), !guards);
	KT_EQ(reachable(guarded + 6 * PAGE - 1), !guards);
	KT_CHECK(reachable(guarded + 6 * PAGE));
	kt_pass();
}
