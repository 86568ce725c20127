/* Shows: pages that fork shares are one copy again: right in every process, and not paid for twice.
 *
 *	first (16 MiB) ─┬─ 0
 *	                ├─ …
 *	                └─ 7     the last changes some pages of its own
 */
#include "cow_family.h"

int main(void)
{
	struct cow_family f;

	cow_begin(&f);
	cow_carry(&f, 1);
	cow_verify(&f, false);
	cow_end(&f);
	kt_pass();
}
