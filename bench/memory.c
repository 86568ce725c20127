/* One process with MIB of private memory, all of it touched.
 * usage: memory MIB random|text small|huge READY-FILE */
#include <stdint.h>
#include <sys/mman.h>

#include "workload.h"

static uint64_t next(uint64_t *x) /* xorshift */
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void fill_random(uint64_t *p, size_t bytes)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < bytes / sizeof *p; i++)
		p[i] = next(&x);
}

/* Words in no order, as prose or a log has them: compressors find about a third of it worth keeping. */
static void fill_text(char *p, size_t bytes)
{
	static const char *const words[] = {
		"the ", "of ", "process ", "and ", "memory ", "is ", "written ", "to ", "page ", "a ",
		"kernel ", "checkpoint ", "in ", "container ", "restore ", "by ", "thread ", "with ", "2006 ", "signal ",
		"namespace ", "for ", "every ", "child\n", "number ", "which ", "freed ", "under ", "session ", "error: ",
		"0x7ffe", "none\n",
	};
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (size_t at = 0; at < bytes;) {
		const char *w = words[next(&x) >> 59];
		size_t n = strlen(w);
		if (n > bytes - at)
			n = bytes - at;
		memcpy(p + at, w, n);
		at += n;
	}
}

int main(int argc, char **argv)
{
	size_t n = (argc == 5 ? strtoul(argv[1], NULL, 10) : 0) << 20, huge = (size_t)2 << 20;
	char *p = n ? mmap(NULL, n + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		    : MAP_FAILED;

	if (p == MAP_FAILED) {
		fprintf(stderr, "usage: memory MIB random|text small|huge READY-FILE\n");
		return 1;
	}
	p += -(uintptr_t)p & (huge - 1);
	madvise(p, n, strcmp(argv[3], "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	if (strcmp(argv[2], "text"))
		fill_random((uint64_t *)p, n);
	else
		fill_text(p, n);
	ready_and_wait(argv[4]);
}
