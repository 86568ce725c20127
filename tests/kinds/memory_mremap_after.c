/* Shows: mappings can be grown, shrunk, moved, split and joined as before.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	char *a = kt_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *s = kt_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), *moved;

	kt_fill(a, 16 * PAGE, 1);
	kt_fill(s, 16 * PAGE, 2);
	kt_ready_and_wait();
	moved = mremap(a, 16 * PAGE, 1024 * PAGE, MREMAP_MAYMOVE);
	KT_CHECK(moved != MAP_FAILED);
	kt_check_fill("grown", moved, 16 * PAGE, 1);
	KT_EQ(moved[1000 * PAGE], 0);
	moved[1000 * PAGE] = 1;
	KT_CHECK(mremap(moved, 1024 * PAGE, 8 * PAGE, 0) == moved);
	kt_check_fill("shrunk", moved, 8 * PAGE, 1);
	KT_ERR(access(moved + 8 * PAGE, F_OK), EFAULT);
	KT_SYS(mprotect(moved + 2 * PAGE, PAGE, PROT_READ));
	KT_SYS(mprotect(moved + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	KT_CHECK(mremap(moved, 8 * PAGE, 8 * PAGE, 0) == moved); /* one mapping again, or EFAULT */
	moved = mremap(s, 0, 16 * PAGE, MREMAP_MAYMOVE); /* a second view of shared memory */
	KT_CHECK(moved != MAP_FAILED && moved != s);
	kt_check_fill("second view", moved, 16 * PAGE, 2);
	s[5] = 'x';
	KT_EQ(moved[5], 'x');
	kt_pass();
}
