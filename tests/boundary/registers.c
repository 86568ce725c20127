/* What a call leaves of the registers: all but rax, rcx (where it returns to) and r11 (the flags). The same place calls often, so
 * that virtual pids answer it in each of their ways. */
#include "case.h"

enum {
	OFTEN = 100,
	FLAGS = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x400 | 0x800, /* CF PF AF ZF SF DF OF */
};

struct after {
	uint64_t ret, flags, rcx, r11;
};

/* The call is made with these flags, from an instruction that follows `mov $number, %eax`. */
#define CALL_WITH_FLAGS(number)                                                                    \
	static __attribute__((noinline)) struct after call_##number(uint64_t flags)                \
	{                                                                                          \
		register uint64_t r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10; \
		register uint64_t r11 __asm__("r11");                                              \
		uint64_t rdi = number == SYS_fork ? 0 : 1, rsi = 2, rdx = 3;                       \
		struct after a;                                                                    \
                                                                                                   \
		__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"                                      \
				 "push %[in]\n\t"                                                  \
				 "popfq\n\t"                                                       \
				 "mov %[nr], %%eax\n\t"                                            \
				 "syscall\n"                                                       \
				 "1:\n\t"                                                          \
				 "pushfq\n\t"                                                      \
				 "pop %[out]\n\t"                                                  \
				 "cld\n\t"                                                         \
				 "lea 128(%%rsp), %%rsp"                                           \
				 : "=a"(a.ret), "=c"(a.rcx), "=r"(r11), [out] "=&b"(a.flags),      \
				   "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9), "+r"(r10)  \
				 : [in] "r"(flags), [nr] "i"(number)                               \
				 : "memory", "cc");                                                \
		a.r11 = r11;                                                                       \
		BD_CHECK(rsi == 2 && rdx == 3 && r8 == 8 && r9 == 9 && r10 == 10);                 \
		BD_EQ(rdi, number == SYS_fork ? 0 : 1);                                            \
		return a;                                                                          \
	}

CALL_WITH_FLAGS(SYS_getppid)
CALL_WITH_FLAGS(SYS_getpgrp)
CALL_WITH_FLAGS(SYS_fork)

static void are_kept(struct after (*call)(uint64_t flags), uint64_t set)
{
	struct after a = call(set | 0x202);

	BD_EQ(a.flags & FLAGS, set);
	BD_EQ(a.r11 & FLAGS, set);
	BD_OP(a.rcx - (uint64_t)call, <, 256);
}

static void of_an_ordinary_call(void)
{
	static const uint64_t flag[] = { 0, 0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800, FLAGS };

	for (int i = 0; i < OFTEN; i++)
		for (size_t f = 0; f < sizeof(flag) / sizeof(*flag); f++)
			are_kept(call_SYS_getppid, flag[f]);
	for (uint64_t set = 0; set <= FLAGS; set++)
		if (!(set & ~(uint64_t)FLAGS))
			are_kept(call_SYS_getpgrp, set);
}

static void of_a_birth(void)
{
	static const uint64_t flag[] = { 0, 0x400, FLAGS };

	for (int i = 0; i < 6; i++) {
		struct after a = call_SYS_fork(flag[i % 3] | 0x202);

		BD_EQ(a.flags & FLAGS, flag[i % 3]);
		BD_EQ(a.r11 & FLAGS, flag[i % 3]);
		BD_OP(a.rcx - (uint64_t)call_SYS_fork, <, 256);
		if (a.ret == 0)
			raw(SYS_exit_group, 0);
		bd_reap_ok((pid_t)BD_DO(a.ret));
	}
}

const struct bd_case bd_cases[] = {
	{ "registers and flags of an ordinary call", of_an_ordinary_call },
	{ "registers and flags of a birth", of_a_birth },
	{},
};
