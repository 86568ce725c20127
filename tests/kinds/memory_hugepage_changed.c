/* Shows: memory in huge pages that is dropped, moved, unmapped and inherited right after a restore is what it should be,
 * also when it is still on its way.
 *
 *	first ── child: looks at all of it
 */
#include "kindtest.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { HUGE = 2 << 20, BLOCK = 2 * HUGE, BLOCKS = 24 };

static char *mem;

static void fill(int block)
{
	kt_fill(mem + (size_t)block * BLOCK, BLOCK, (uint32_t)block + 1);
}

static void look(const char *what, const char *at, int block)
{
	kt_check_fill(what, at, BLOCK, (uint32_t)block + 1);
}

static void zeros(const char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		KT_CHECK(at[i] == 0);
}

int main(void)
{
	char *raw = kt_map((size_t)BLOCK * BLOCKS + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *to = kt_map(BLOCK, PROT_NONE, MAP_PRIVATE);
	int status;

	mem = (char *)(((uintptr_t)raw + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	madvise(mem, (size_t)BLOCK * BLOCKS, MADV_HUGEPAGE);
	for (int i = 0; i < BLOCKS; i++)
		fill(i);
	kt_ready_and_wait();

	/* From the end, which comes last; at borders of huge pages and beside them. */
	char *last = mem + (size_t)BLOCK * (BLOCKS - 1);
	KT_CHECK(madvise(last - BLOCK + 4096, BLOCK - 8192, MADV_DONTNEED) == 0);
	zeros(last - BLOCK + 4096, BLOCK - 8192);
	KT_CHECK(mremap(last, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	KT_CHECK(munmap(mem + (size_t)BLOCK * (BLOCKS - 3) + 4096, HUGE) == 0);
	pid_t child = fork();
	for (int i = 0; i < BLOCKS - 3; i++) {
		if (i % 3 == 1)
			mem[(size_t)BLOCK * i + HUGE] ^= 1;
		if (i % 3 == 1 && child)
			mem[(size_t)BLOCK * i + HUGE] ^= 1;
		if (i % 3 == 1 && !child)
			fill(i);
		look(child ? "of the parent" : "of the child", mem + (size_t)BLOCK * i, i);
		if (i % 3 == 2 && child)
			KT_CHECK(madvise(mem + (size_t)BLOCK * i, BLOCK, MADV_DONTNEED) == 0);
	}
	for (int i = 2; child && i < BLOCKS - 3; i += 3)
		zeros(mem + (size_t)BLOCK * i, BLOCK);
	look("moved", to, BLOCKS - 1);
	if (!child)
		_exit(0);
	KT_CHECK(waitpid(child, &status, 0) == child && status == 0);
	kt_pass();
}
