/* Shows: the program break is where it was, and the heap goes on growing and shrinking from there.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	char *start = sbrk(300000), *end = sbrk(0), *more, *chunk;

	kt_fill(start, 300000 & ~3, 1);
	kt_ready_and_wait();
	KT_CHECK(sbrk(0) == end);
	kt_check_fill("heap", start, 300000 & ~3, 1);
	more = sbrk(2 << 20);
	KT_CHECK(more == end);
	KT_CHECK(sbrk(0) == end + (2 << 20));
	for (size_t at = PAGE; at < 2 << 20; at += PAGE)
		KT_EQ(more[at], 0);
	kt_fill(more, 2 << 20, 2);
	kt_check_fill("heap, grown", more, 2 << 20, 2);
	KT_CHECK(sbrk(-(2 << 20)) == end + (2 << 20));
	KT_ERR(access(more + (1 << 20), F_OK), EFAULT);
	kt_check_fill("heap, shrunk", start, 300000 & ~3, 1);
	for (int i = 0; i < 100; i++) {
		chunk = malloc(10000);
		KT_CHECK(chunk != NULL);
		memset(chunk, i, 10000);
	}
	kt_pass();
}
