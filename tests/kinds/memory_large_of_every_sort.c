/* Shows: megabytes of private memory of every sort, which several threads fill in different ways: small
 * pages, huge ones, pages that must not be written, the changed pages of a file, and pages a child has
 * from its parent, some of them changed since.
 *
 *	first ── child
 */
#include "kindtest.h"

enum { SIZE = 4 << 20, ALIGN = 2 << 20 };

static char *sorts[6];
static const char *const names[] = {"small", "huge", "readonly", "none", "file", "inherited"};

static char *aligned(void)
{
	char *p = kt_map(SIZE + ALIGN, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	return p + (-(uintptr_t)p & (ALIGN - 1));
}

static void verify(uint32_t add)
{
	KT_SYS(mprotect(sorts[3], SIZE, PROT_READ));
	for (uint32_t i = 0; i < 6; i++)
		for (size_t at = 0; at < SIZE; at += PAGE) {
			bool changed = i == 5 && add && at % (3 * PAGE) == 0;
			kt_check_fill(names[i], sorts[i] + at, PAGE, i * 10000 + (uint32_t)(at / PAGE) + (changed ? add : 0));
		}
	KT_SYS(mprotect(sorts[3], SIZE, PROT_NONE));
}

static void child(void *arg)
{
	for (size_t at = 0; at < SIZE; at += 3 * PAGE)
		kt_fill(sorts[5] + at, PAGE, 50000 + (uint32_t)(at / PAGE) + 777);
	kt_mark("up");
	kt_wait_go();
	verify(777);
	(void)arg;
}

int main(void)
{
	int fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));

	KT_SYS(ftruncate(fd, SIZE));
	for (uint32_t i = 0; i < 6; i++)
		sorts[i] = aligned();
	KT_SYS(mmap(sorts[4], SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0));
	for (uint32_t i = 0; i < 6; i++)
		KT_SYS(madvise(sorts[i], SIZE, i == 1 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	for (uint32_t i = 0; i < 6; i++)
		for (size_t at = 0; at < SIZE; at += PAGE)
			kt_fill(sorts[i] + at, PAGE, i * 10000 + (uint32_t)(at / PAGE));
	KT_SYS(mprotect(sorts[2], SIZE, PROT_READ));
	KT_SYS(mprotect(sorts[3], SIZE, PROT_NONE));
	long huge = kt_smaps_kb(sorts[1], "AnonHugePages:");
	pid_t pid = kt_child(child, NULL);
	kt_await("up");
	kt_ready_and_wait();
	for (int i = 0; i < 6; i++)
		if (i != 1) /* nor is any watched by anybody */
			KT_EQ(kt_smaps_kb(sorts[i], "AnonHugePages:"), 0);
	KT_OP(kt_smaps_kb(sorts[1], "AnonHugePages:"), >=, huge);
	/* Memory is let go of step by step, after the tree runs again. */
	for (int ms = 0; kt_vmflag(sorts[0], "um") && ms < 20000; ms++)
		usleep(1000);
	KT_CHECK(!kt_vmflag(sorts[0], "um"));
	KT_CHECK(!kt_vmflag(sorts[2], "wr"));
	verify(0);
	sorts[0][5]++;
	kt_reap_ok(pid);
	kt_pass();
}
