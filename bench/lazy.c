/* One process with MIB of private memory that says when it runs again after a restore, and how fast it gets through all of
 * its memory. What it has to say lies in STAMPS, a file that it maps.
 * usage: lazy MIB small|huge STAMPS READY-FILE */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "workload.h"

struct stamps { /* ns; read by bench/suite/lazy.py */
	volatile uint64_t native;  /* a pass over all memory before the checkpoint */
	volatile uint64_t first;   /* CLOCK_REALTIME of the first instruction after the restore */
	volatile uint64_t go;      /* not 0: the runner wants another pass */
	volatile uint64_t after;   /* how long that took */
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Reads and writes every word. */
static uint64_t pass(uint64_t *p, size_t words)
{
	uint64_t from = now(CLOCK_MONOTONIC);

	for (size_t i = 0; i < words; i++)
		p[i] = p[i] * 6364136223846793005u + i;
	return now(CLOCK_MONOTONIC) - from;
}

int main(int argc, char **argv)
{
	size_t n = (argc == 5 ? strtoul(argv[1], NULL, 10) : 0) << 20, huge = (size_t)2 << 20;
	char *p = n ? mmap(NULL, n + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		    : MAP_FAILED;
	int fd = argc == 5 ? open(argv[3], O_RDWR | O_CLOEXEC) : -1;
	struct stamps *s = fd < 0 ? MAP_FAILED
				  : mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED || s == MAP_FAILED) {
		fprintf(stderr, "usage: lazy MIB small|huge STAMPS READY-FILE\n");
		return 1;
	}
	close(fd); /* only its mapping is in the image: what is written meanwhile is no change of a file */
	p += -(uintptr_t)p & (huge - 1);
	madvise(p, n, strcmp(argv[2], "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	pass((uint64_t *)p, n / 8);
	s->native = pass((uint64_t *)p, n / 8);
	ready(argv[4]);
	/* The clock of the world outside jumps while nothing runs here. */
	for (uint64_t last = now(CLOCK_REALTIME), t; !s->first; last = t) {
		t = now(CLOCK_REALTIME);
		if (t - last > 1000000000)
			s->first = t;
	}
	while (!s->go)
		usleep(1000);
	s->after = pass((uint64_t *)p, n / 8);
	for (;;)
		pause();
}
