/* Shows: general, x87, MXCSR, SSE, AVX and AVX-512 registers survive in the midst of a loop.
 *
 *	first ═── thread that spins with all registers full until told to stop
 */
#include "kindtest.h"

#include <pthread.h>

struct registers {
	_Alignas(64) uint64_t vec_in[32][8], vec_out[32][8]; /* 0, 2048 */
	uint64_t gpr_in[14], gpr_out[14];                    /* 4096, 4208 */
	uint64_t mask_in, mask_out;                          /* 4320, 4328 */
	long double x87_in[3], x87_out[3];                   /* 4336, 4384 */
	uint32_t mxcsr_in, mxcsr_out;                        /* 4432, 4436 */
	uint16_t cw_in, cw_out;                              /* 4440, 4442 */
	volatile uint8_t spinning, stop;                     /* 4444, 4445 */
};
_Static_assert(offsetof(struct registers, gpr_out) == 4208, "the offsets below are these");
_Static_assert(offsetof(struct registers, x87_out) == 4384, "the offsets below are these");
_Static_assert(offsetof(struct registers, stop) == 4445, "the offsets below are these");

void spin_sse(struct registers *r);
void spin_avx(struct registers *r);
void spin_avx512(struct registers *r);

/* Registers are loaded, kept over a loop that touches none of them, and stored; rdi is r. */
asm(".macro gprs op, at\n"
    "	.set off, \\at\n"
    "	.irp reg, rax, rbx, rcx, rdx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"
    "		.ifc \\op, load\n	movq off(%rdi), %\\reg\n	.else\n"
    "		movq %\\reg, off(%rdi)\n	.endif\n"
    "		.set off, off + 8\n"
    "	.endr\n"
    ".endm\n"
    ".macro vectors op, insn, name, at, numbers:vararg\n"
    "	.irp n, \\numbers\n"
    "		.ifc \\op, load\n	\\insn \\at + 64*\\n(%rdi), %\\name\\n\n	.else\n"
    "		\\insn %\\name\\n, \\at + 64*\\n(%rdi)\n	.endif\n"
    "	.endr\n"
    ".endm\n"
    ".macro spin name, insn, vec, masks, numbers:vararg\n"
    ".globl \\name\n.type \\name, @function\n"
    "\\name:\n"
    "	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	fnstcw -8(%rsp)\n	fldcw 4440(%rdi)\n"
    "	fldt 4368(%rdi)\n	fldt 4352(%rdi)\n	fldt 4336(%rdi)\n"
    "	ldmxcsr 4432(%rdi)\n"
    "	vectors load, \\insn, \\vec, 0, \\numbers\n"
    "	.if \\masks\n	kmovq 4320(%rdi), %k3\n	.endif\n"
    "	gprs load, 4096\n"
    "	movb $1, 4444(%rdi)\n"
    "1:	pause\n	cmpb $0, 4445(%rdi)\n	je 1b\n"
    "	gprs store, 4208\n"
    "	.if \\masks\n	kmovq %k3, 4328(%rdi)\n	.endif\n"
    "	vectors store, \\insn, \\vec, 2048, \\numbers\n"
    "	stmxcsr 4436(%rdi)\n	fnstcw 4442(%rdi)\n"
    "	fstpt 4384(%rdi)\n	fstpt 4400(%rdi)\n	fstpt 4416(%rdi)\n"
    "	fldcw -8(%rsp)\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
    "	ret\n"
    ".endm\n"
    "spin spin_sse, movdqu, xmm, 0, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "spin spin_avx, vmovdqu, ymm, 0, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    "spin spin_avx512, vmovdqu64, zmm, 1, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,"
    "22,23,24,25,26,27,28,29,30,31\n");

static struct registers r;
static int vectors = 16, words = 2;

static void *thread(void *arg)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
		vectors = 32;
		words = 8;
		spin_avx512(&r);
	} else if (__builtin_cpu_supports("avx")) {
		words = 4;
		spin_avx(&r);
	} else {
		spin_sse(&r);
	}
	return NULL;
}

int main(void)
{
	pthread_t t;

	kt_fill(r.vec_in, sizeof(r.vec_in), 1);
	kt_fill(r.gpr_in, sizeof(r.gpr_in), 2);
	r.mask_in = 0x123456789abcdef0;
	r.x87_in[0] = 3.14159265358979323846L;
	r.x87_in[1] = -1e4000L; /* beyond a double */
	r.x87_in[2] = 1.0L / 3;
	r.mxcsr_in = 0xdfa0; /* round towards zero, denormals are zero kept off, one flag set */
	r.cw_in = 0x0f7f;    /* round towards zero, extended precision */
	KT_PT(pthread_create(&t, NULL, thread, NULL));
	KT_UNTIL(r.spinning);
	kt_ready_and_wait();
	r.stop = 1;
	KT_PT(pthread_join(t, NULL));
	for (int i = 0; i < 14; i++)
		KT_EQ(r.gpr_out[i], r.gpr_in[i]);
	for (int i = 0; i < vectors; i++)
		for (int w = 0; w < words; w++)
			if (r.vec_out[i][w] != r.vec_in[i][w])
				KT_FAIL("vector register %d, word %d: 0x%lx, not 0x%lx", i, w,
					r.vec_out[i][w], r.vec_in[i][w]);
	if (vectors == 32)
		KT_EQ(r.mask_out, r.mask_in);
	for (int i = 0; i < 3; i++)
		KT_CHECK(!memcmp(&r.x87_out[i], &r.x87_in[i], 10));
	KT_EQ(r.mxcsr_out, r.mxcsr_in);
	KT_EQ(r.cw_out, r.cw_in);
	kt_pass();
}
