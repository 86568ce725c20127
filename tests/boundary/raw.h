#pragma once
/* System calls as a program makes them that knows no libc: the answer is the kernel's, a value or
 * -errno. What preloading a library could catch is not caught here. x86-64. */
#include <sys/syscall.h>

/* Newer than the headers of Debian 12. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif

static inline __attribute__((always_inline)) long raw6(long nr, long a, long b, long c, long d, long e,
						       long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* raw(SYS_kill, pid, SIGTERM): arguments that are not given are 0. */
#define RAW_SEVEN(nr, a, b, c, d, e, f, ...)                                                       \
	raw6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define raw(...) RAW_SEVEN(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/* The i386 entry, open to 64-bit programs too; arguments have 32 bits, numbers are those of i386. */
static inline long raw_int80(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)ret;
}

/* clone(2) onto a stack of its own, which ends at stack_top (16 bytes aligned). The child runs
 * fn(arg) and exits, the thread alone, with its value. It has no thread-local storage of its own
 * unless tls is given: libc's errno is its parent's. */
static inline long raw_clone_onto(unsigned long flags, void *stack_top, int *parent_tid,
				  int *child_tid, void *tls, int (*fn)(void *), void *arg)
{
	void **sp = stack_top;
	register long r10 __asm__("r10") = (long)child_tid;
	register long r8 __asm__("r8") = (long)tls;
	long ret;

	*--sp = arg;
	*--sp = (void *)fn;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov $60, %%eax\n\t" /* exit(2) */
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags), "S"(sp), "d"(parent_tid), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}
