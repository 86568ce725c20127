/* Shows: mappings that are emptied, replaced, moved, cut and grown all the time, by a process that also forks and
 * execs, are restored with what they held.
 *
 *	first ─ changer ─ children that come and go
 *
 * The changer knows what each of its places holds and looks before it changes one.
 */
#include "kindtest.h"

enum { PLACES = 12, PAGES = 80, LAST = 60 };

struct place {
	char *at;
	uint32_t seed; /* what it is filled with; 0: zeros */
	size_t pages;  /* of the fill, from the start; zeros follow */
};

static char *base, *spare;
static struct place place[PLACES];

static char *home(size_t i)
{
	return base + i * 2 * PAGES * PAGE;
}

static void look(const struct place *p)
{
	size_t filled = p->seed ? p->pages : 0;

	if (filled)
		kt_check_fill("a place", p->at, filled * PAGE, p->seed);
	for (size_t o = filled * PAGE; o < PAGES * PAGE; o += 256)
		KT_EQ(p->at[o], 0);
}

static void map_at(char *at)
{
	KT_SYS(mmap(at, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static void fill(struct place *p, uint32_t seed)
{
	kt_fill(p->at, PAGES * PAGE, seed);
	p->seed = seed;
	p->pages = PAGES;
}

static void empty(struct place *p)
{
	KT_SYS(madvise(p->at, PAGES * PAGE, MADV_DONTNEED));
	p->seed = 0;
}

/* The second half goes; its pages come back as zeros. */
static void cut(struct place *p)
{
	KT_SYS(munmap(p->at + PAGES / 2 * PAGE, PAGES / 2 * PAGE));
	KT_SYS(mmap(p->at + PAGES / 2 * PAGE, PAGES / 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	p->pages = p->pages < PAGES / 2 ? p->pages : PAGES / 2;
}

/* Two places change what they hold by moving pages, which bring along whatever the kernel notes of them. */
static void swap(struct place *a, struct place *b)
{
	struct place was = *a;

	KT_SYS(mremap(a->at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare));
	KT_SYS(mremap(b->at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, a->at));
	KT_SYS(mremap(spare, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b->at));
	a->seed = b->seed;
	a->pages = b->pages;
	b->seed = was.seed;
	b->pages = was.pages;
}

static void in_child(void *arg)
{
	struct place *p = arg;

	look(p);
	fill(p, 77); /* its own copy */
	look(p);
}

static void exec_child(void *arg)
{
	(void)arg;
	execl("/bin/true", "true", NULL);
	KT_FAIL("exec: %d", errno);
}

static void change(uint64_t n)
{
	struct place *p = &place[n * 7 % PLACES], *q = &place[(n * 7 + 5) % PLACES];

	look(p);
	switch (n % 7) {
	case 0: fill(p, (uint32_t)n + 1); break;
	case 1: empty(p); break;
	case 2: map_at(p->at); p->seed = 0; fill(p, (uint32_t)n + 1); break;
	case 3: swap(p, q); break;
	case 4: cut(p); break;
	case 5: kt_reap_ok(kt_child(n % 2 ? in_child : exec_child, p)); break;
	case 6: KT_SYS(mprotect(p->at, PAGES * PAGE, PROT_READ)); look(p);
		KT_SYS(mprotect(p->at, PAGES * PAGE, PROT_READ | PROT_WRITE)); break;
	}
	look(p);
	look(q);
}

/* Tells how far it has come in a shared page, and changes until it is told to end. */
static uint64_t *told;

static void changer(void *arg)
{
	(void)arg;
	for (uint64_t n = 0; !__atomic_load_n(&told[1], __ATOMIC_ACQUIRE); n++) {
		change(n);
		__atomic_store_n(&told[0], n, __ATOMIC_RELEASE);
	}
}

static uint64_t done(void)
{
	return __atomic_load_n(&told[0], __ATOMIC_ACQUIRE);
}

int main(void)
{
	told = kt_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	base = kt_map((PLACES + 1) * 2 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE);
	spare = home(PLACES);
	for (size_t i = 0; i < PLACES; i++) {
		place[i].at = home(i);
		map_at(place[i].at);
		fill(&place[i], (uint32_t)i + 1000);
	}
	kt_tasks_change();
	pid_t child = kt_child(changer, NULL);
	KT_UNTIL(done() >= LAST);
	kt_ready_and_wait();
	uint64_t then = done();
	KT_UNTIL(done() >= then + LAST);
	__atomic_store_n(&told[1], 1, __ATOMIC_RELEASE);
	kt_reap_ok(child);
	kt_pass();
}
