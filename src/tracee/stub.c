/* The code that runs a batch inside a task. It knows nothing: calls in, results out. Entered with
 * rbx, r13: array of struct wire_call; r12: their number; ebp: the signal that hands control back; r15: signal frame to fall into
 * when nobody answers that signal. */
#include "tracee/batch.h"

#include <stddef.h>

extern const char tracee_stub_begin[], tracee_stub_end[];

__asm__(".pushsection .rodata\n"
	".globl tracee_stub_begin, tracee_stub_end\n"
	".hidden tracee_stub_begin, tracee_stub_end\n"
	"tracee_stub_begin:\n"
	"1:	test %r12, %r12\n"
	"	jz 9f\n"
	"	xor %r8d, %r8d\n"
	"2:	movzwl 64(%rbx,%r8,2), %eax\n"
	"	test %eax, %eax\n"
	"	jz 3f\n"
	"	dec %eax\n"
	"	imul $80, %rax, %rax\n"
	"	mov 56(%r13,%rax), %rax\n"
	"	mov %rax, 8(%rbx,%r8,8)\n"
	"3:	inc %r8\n"
	"	cmp $6, %r8\n"
	"	jb 2b\n"
	"	mov (%rbx), %rax\n"
	"	mov 8(%rbx), %rdi\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdx\n"
	"	mov 32(%rbx), %r10\n"
	"	mov 40(%rbx), %r8\n"
	"	mov 48(%rbx), %r9\n"
	"	syscall\n"
	"	mov %rax, 56(%rbx)\n"
	"	cmp $-4095, %rax\n"
	"	jb 4f\n"
	"	cmpb $0, 76(%rbx)\n"
	"	je 9f\n"
	"4:	add $80, %rbx\n"
	"	dec %r12\n"
	"	jmp 1b\n"
	"9:	mov $39, %eax\n" /* getpid */
	"	syscall\n"
	"	mov %rax, %rdi\n"
	"	mov $186, %eax\n" /* gettid */
	"	syscall\n"
	"	mov %rax, %rsi\n"
	"	mov %ebp, %edx\n"
	"	mov $234, %eax\n" /* tgkill: the tracer takes the signal and the task with it */
	"	syscall\n"
	"	mov %r15, %rsp\n"
	"	mov $15, %eax\n" /* rt_sigreturn: nobody there, go home */
	"	syscall\n"
	"	hlt\n"
	"tracee_stub_end:\n"
	".popsection\n");

const void *scratch_stub(size_t *ret_len)
{
	*ret_len = (size_t)(tracee_stub_end - tracee_stub_begin);
	return tracee_stub_begin;
}
