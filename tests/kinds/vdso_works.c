/* Shows: functions of the vDSO, at the addresses known before, still tell what the kernel tells.
 *
 *	first
 */
#include "kindtest.h"

#include <elf.h>
#include <sys/auxv.h>

typedef int gettime_fn(clockid_t clock, struct timespec *t);
typedef long getcpu_fn(unsigned *cpu, unsigned *node, void *unused);

/* The address of a function in the vDSO, from its dynamic symbols. */
static void *find(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *e = (const void *)base;
	const Elf64_Shdr *sh = (const void *)(base + e->e_shoff);

	for (int i = 0; i < e->e_shnum; i++) {
		const Elf64_Sym *sym = (const void *)(base + sh[i].sh_offset);
		const char *names = base + sh[sh[i].sh_link].sh_offset;

		if (sh[i].sh_type != SHT_DYNSYM)
			continue;
		for (size_t s = 0; s < sh[i].sh_size / sizeof(*sym); s++)
			if (!strcmp(names + sym[s].st_name, name))
				return (void *)(uintptr_t)(base + sym[s].st_value);
	}
	KT_FAIL("no %s in the vDSO", name);
}

static int64_t ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec;
}

/* Between two system calls the vDSO must answer a time between theirs. */
static void verify(gettime_fn *gettime, getcpu_fn *getcpu)
{
	const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME,
				    CLOCK_MONOTONIC_RAW};
	unsigned cpu = ~0u;

	for (int i = 0; i < 4; i++) {
		struct timespec a, b, c;

		KT_SYS(syscall(SYS_clock_gettime, clocks[i], &a));
		KT_EQ(gettime(clocks[i], &b), 0);
		KT_SYS(syscall(SYS_clock_gettime, clocks[i], &c));
		KT_OP(ns(&a), <=, ns(&b));
		KT_OP(ns(&b), <=, ns(&c));
	}
	KT_EQ(getcpu(&cpu, NULL, NULL), 0);
	KT_OP(cpu, <, 4096);
}

static uintptr_t start_of(const char *name)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");
	uintptr_t at = 0;

	KT_CHECK(f != NULL);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, name) && !at)
			at = strtoul(line, NULL, 16);
	fclose(f);
	return at;
}

int main(void)
{
	void *g = find("__vdso_clock_gettime"), *c = find("__vdso_getcpu");
	uintptr_t vdso = start_of("[vdso]"), vvar = start_of("[vvar]");
	gettime_fn *gettime;
	getcpu_fn *getcpu;

	memcpy(&gettime, &g, sizeof(g));
	memcpy(&getcpu, &c, sizeof(c));
	verify(gettime, getcpu);
	KT_EQ(vdso, getauxval(AT_SYSINFO_EHDR));
	kt_ready_and_wait();
	verify(gettime, getcpu);
	KT_EQ(start_of("[vdso]"), vdso);
	KT_EQ(start_of("[vvar]"), vvar);
	kt_pass();
}
