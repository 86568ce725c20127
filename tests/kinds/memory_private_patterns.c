/* Shows: private anonymous memory, holes, read-only and executable pages, data, bss, heap and stack.
 *
 *	first
 */
#include "kindtest.h"

enum { BIG = 8 << 20 };
static char bss[100000], data[50000] = {1, 2, 3};

int main(void)
{
	char *big = kt_map(BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE), stack[40000];
	char *readonly = kt_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *code = kt_map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), *heap = malloc(3000000);
	const unsigned char ret42[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	volatile char zero = 0;
	int (*fn)(void);
	long rss;

	for (size_t at = 0; at < BIG; at += 3 * PAGE) /* two pages of three are holes */
		kt_fill(big + at, PAGE, (uint32_t)(at / PAGE));
	for (size_t at = 0; at < 64 * PAGE; at += PAGE) /* holes that were only read: the zero page */
		zero += big[at + PAGE];
	KT_EQ(zero, (char)zero);
	kt_fill(readonly, 16 * PAGE, 7);
	KT_SYS(mprotect(readonly, 16 * PAGE, PROT_READ));
	memcpy(code, ret42, sizeof(ret42));
	KT_SYS(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
	kt_fill(bss, sizeof(bss), 8);
	kt_fill(data, sizeof(data), 9);
	kt_fill(heap, 3000000, 10);
	kt_fill(stack, sizeof(stack), 11);
	rss = kt_smaps_kb(big, "Rss:");
	kt_ready_and_wait();
	if (kt_smaps_kb(big, "Anonymous:") > rss + 256)
		KT_FAIL("holes were filled: %ld kB, had %ld kB", kt_smaps_kb(big, "Anonymous:"), rss);
	for (size_t at = 0; at < BIG; at += 3 * PAGE) {
		kt_check_fill("private memory", big + at, PAGE, (uint32_t)(at / PAGE));
		for (size_t hole = at + PAGE; hole < at + 3 * PAGE && hole < BIG; hole += 512)
			KT_EQ(big[hole], 0);
	}
	kt_check_fill("read-only memory", readonly, 16 * PAGE, 7);
	KT_CHECK(!kt_vmflag(readonly, "wr"));
	KT_SYS(mprotect(readonly, 16 * PAGE, PROT_READ | PROT_WRITE));
	readonly[0]++;
	memcpy(&fn, &code, sizeof(fn));
	KT_EQ(fn(), 42);
	kt_check_fill("bss", bss, sizeof(bss), 8);
	kt_check_fill("data", data, sizeof(data), 9);
	kt_check_fill("heap", heap, 3000000, 10);
	kt_check_fill("stack", stack, sizeof(stack), 11);
	kt_pass();
}
