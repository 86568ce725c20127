/* Shows: memory that is written all the time is restored as it was at one moment: private, huge, shared, a file's
 * private pages, heap and stack, written by the program and by the kernel.
 *
 *	first ─ writer thread
 *
 * Number n goes to page n modulo PAGES, so a page must hold n - PAGES when n comes: an older copy of it shows
 * within one turn.
 */
#include "kindtest.h"

#include <pthread.h>

enum { PAGES = 1024, AREAS = 6, TURNS = 3 };

static char *area[AREAS];
static int channel[2];
static uint64_t turns;
static int stop;

static uint64_t *word(size_t a, uint64_t n)
{
	return (uint64_t *)(area[a] + n % PAGES * PAGE + n / PAGES % 64 * 8);
}

/* The page's newest number lies in the word of its turn; the words of turns before hold older ones. */
static void check(size_t a, uint64_t n)
{
	if (n < PAGES)
		return;
	uint64_t has = *word(a, n - PAGES);
	if (has != n - PAGES)
		KT_FAIL("area %zu, page %llu: holds %llu, not %llu", a, (unsigned long long)(n % PAGES),
			(unsigned long long)has, (unsigned long long)(n - PAGES));
}

/* Every third number is written by the kernel. */
static void put(size_t a, uint64_t n)
{
	if (n % 3) {
		*word(a, n) = n;
		return;
	}
	KT_EQ(KT_SYS(write(channel[1], &n, sizeof(n))), sizeof(n));
	KT_EQ(KT_SYS(read(channel[0], word(a, n), sizeof(n))), sizeof(n));
}

static void *writer(void *arg)
{
	char stack[PAGES * PAGE];

	memset(stack, 0, sizeof(stack));
	area[AREAS - 1] = stack;
	for (uint64_t n = 0; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); n++) {
		for (size_t a = 0; a < AREAS; a++) {
			check(a, n);
			put(a, n);
		}
		__atomic_store_n(&turns, n / PAGES, __ATOMIC_RELEASE);
	}
	return NULL;
}

static uint64_t turns_now(void)
{
	return __atomic_load_n(&turns, __ATOMIC_ACQUIRE);
}

int main(void)
{
	int file = KT_SYS(open(kt_path("private"), O_RDWR | O_CREAT, 0600));
	int memory = KT_SYS(memfd_create("shared", 0));
	pthread_attr_t attr;
	pthread_t t;

	KT_SYS(ftruncate(file, PAGES * PAGE));
	KT_SYS(ftruncate(memory, PAGES * PAGE));
	KT_SYS(pipe(channel));
	area[0] = kt_map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KT_SYS(madvise(area[0], PAGES * PAGE, MADV_NOHUGEPAGE));
	char *huge = kt_map(6 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	area[1] = (char *)(((uintptr_t)huge + (2 << 20) - 1) & ~((uintptr_t)(2 << 20) - 1));
	madvise(huge, 6 << 20, MADV_HUGEPAGE); /* not every kernel has them */
	area[2] = KT_SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
	area[3] = KT_SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
	area[4] = KT_SYS(sbrk((PAGES + 1) * PAGE));
	area[4] = (char *)(((uintptr_t)area[4] + PAGE - 1) & ~(PAGE - 1));
	KT_PT(pthread_attr_init(&attr));
	KT_PT(pthread_attr_setstacksize(&attr, (PAGES + 64) * PAGE));
	KT_PT(pthread_create(&t, &attr, writer, NULL));
	KT_UNTIL(turns_now() >= TURNS);
	kt_ready_and_wait();
	uint64_t then = turns_now();
	KT_UNTIL(turns_now() >= then + TURNS);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	KT_PT(pthread_join(t, NULL));
	kt_pass();
}
