/* One process with MIB of random private memory. usage: memory MIB READY-FILE */
#include <stdint.h>
#include <sys/mman.h>

#include "workload.h"

int main(int argc, char **argv)
{
	size_t n = (argc > 2 ? strtoul(argv[1], NULL, 10) : 0) << 20;
	uint64_t x = 0x9e3779b97f4a7c15u;
	uint64_t *p = n ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
			: MAP_FAILED;

	if (p == MAP_FAILED) {
		fprintf(stderr, "usage: memory MIB READY-FILE\n");
		return 1;
	}
	for (size_t i = 0; i < n / sizeof *p; i++) { /* xorshift: nothing compresses it */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	ready_and_wait(argv[2]);
}
