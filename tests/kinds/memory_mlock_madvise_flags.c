/* Shows: what was asked with mlock(2) and madvise(2) is still in force, as VmFlags show it.
 *
 *	first ── child, forked afterwards to see DONTFORK and WIPEONFORK at work
 */
#include "kindtest.h"

#define MADV_WIPEONFORK_ 18

static const struct {
	const char *flag;
	int advice; /* 0: mlock, -1: mlock2 on fault */
} rows[] = {
	{"lo", 0},
	{"lf", -1},
	{"dc", MADV_DONTFORK},
	{"wf", MADV_WIPEONFORK_},
	{"dd", MADV_DONTDUMP},
	{"hg", MADV_HUGEPAGE},
	{"nh", MADV_NOHUGEPAGE},
	{"sr", MADV_SEQUENTIAL},
	{"rr", MADV_RANDOM},
	{"mg", MADV_MERGEABLE},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]), SIZE = 8 * PAGE };
static char *maps[ROWS];
static bool have[ROWS];

static void child(void *arg)
{
	KT_ERR(access(maps[2], F_OK), EFAULT);
	KT_EQ(maps[3][0], 0);
	KT_EQ(maps[3][SIZE - 1], 0);
	kt_check_fill("inherited", maps[4], SIZE, 5);
}

int main(void)
{
	for (int i = 0; i < ROWS; i++) {
		int r;

		/* A gap to either side keeps neighbours from being merged. */
		maps[i] = (char *)kt_map(SIZE + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE) + PAGE;
		KT_SYS(munmap(maps[i] - PAGE, PAGE));
		KT_SYS(munmap(maps[i] + SIZE, PAGE));
		r = rows[i].advice > 0	 ? madvise(maps[i], SIZE, rows[i].advice)
		    : rows[i].advice == 0 ? mlock(maps[i], SIZE)
					  : mlock2(maps[i], SIZE, MLOCK_ONFAULT);
		have[i] = r == 0 && kt_vmflag(maps[i], rows[i].flag);
		kt_fill(maps[i], SIZE, (uint32_t)i + 1);
	}
	KT_CHECK(have[0] && have[1] && have[2] && have[3] && have[4]);
	kt_ready_and_wait();
	for (int i = 0; i < ROWS; i++) {
		kt_check_fill(rows[i].flag, maps[i], SIZE, (uint32_t)i + 1);
		for (int j = 0; j < ROWS; j++)
			if (kt_vmflag(maps[i], rows[j].flag) != (i == j && have[i]) &&
			    !(i == 1 && j == 0)) /* lf implies lo */
				KT_FAIL("mapping %s: flag %s is wrong in%s", rows[i].flag, rows[j].flag,
					kt_smaps(maps[i], "VmFlags:"));
	}
	KT_EQ(kt_smaps_kb(maps[0], "Locked:"), SIZE / 1024);
	kt_reap_ok(kt_child(child, NULL));
	kt_pass();
}
