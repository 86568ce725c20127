/* Shows: pages that siblings share only with each other, because their parent wrote over them after it had forked
 * them, are one copy again, and each side has its own content.
 *
 *	first (16 MiB, all written anew after the forks) ─┬─ 0
 *	                                                  ├─ …
 *	                                                  └─ 7     the last has changed some pages of its own
 */
#include "cow_family.h"

enum { OVERWRITTEN = 50000 };

/* Of the parent, which writes zeros too: those are left out of an image. */
static bool is_zero(size_t at)
{
	return at % (32 * PAGE) == 5 * PAGE;
}

static void overwrite(const struct cow_family *f)
{
	cow_fill(f, OVERWRITTEN);
	for (size_t at = 0; at < COW_SIZE; at += PAGE)
		if (is_zero(at))
			memset(f->mem + at, 0, PAGE);
}

static void verify_parent(const struct cow_family *f)
{
	for (size_t at = 0; at < COW_SIZE; at += PAGE)
		if (is_zero(at))
			KT_OP(f->mem[at] | f->mem[at + PAGE - 1], ==, 0);
		else
			kt_check_fill("page", f->mem + at, PAGE, OVERWRITTEN + (uint32_t)(at / PAGE));
}

int main(void)
{
	struct cow_family f;

	cow_begin(&f);
	overwrite(&f);
	cow_carry(&f, 2);
	verify_parent(&f);
	cow_end(&f);
	kt_pass();
}
