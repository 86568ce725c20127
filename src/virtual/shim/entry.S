/* The shim's fixed places (layout.h) and everything that cannot be said in C. */

	.section .text.entry, "ax"
	.globl shim_start
shim_start:
	/* +0x00: handler of SIGSYS: rdi signal, rsi siginfo, rdx ucontext; the stack is as after a call */
	jmp	shim_sigsys
	.balign 16
	/* +0x10: after an exec */
	jmp	boot
	.balign 16
	/* +0x20: the restorer of the guest's handlers, with the very bytes that unwinders know as __restore_rt. The filter refuses
	 * the call (filter.c), so that what a handler has done to the mask can be looked at */
	.globl shim_restorer
shim_restorer:
	mov	$15, %rax
	syscall
	jmp	returned
	.balign 16
	/* +0x30: stands for every handler of the guest */
	jmp	handler
	/* +0x39: the restorer of our own handler, with the same bytes, of which the last are the gate */
	.org	shim_start + 0x39
	mov	$15, %rax
	/* +0x40: the gate: system calls from here are allowed */
gate:
	syscall
	ret
	.balign 16
	/* +0x50: the gate of births; rax, arguments and r9 (struct shim_birth) are set */
birth_gate:
	syscall
	jmp	born
	.balign 16
	/* +0x60: the bell: rings at the warden */
bell:
	syscall
	ret
	.balign 16
	/* +0x70: void enter(long memfd), for the process that is to become vpid 1 */
	jmp	enter
	.balign 16
	/* +0x80: the gate as a function, for that process */
	jmp	shim_call
	.balign 16

/* long shim_call(long nr, long a, long b, long c, long d, long e, long f) */
	.globl shim_call
shim_call:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	jmp	gate

/* long trap_native(const struct trap *t): rbx and the return address tell interrupted.c whose call this is */
	.globl trap_native, shim_native_return
trap_native:
	push	%rbx
	mov	%rdi, %rbx
	mov	(%rbx), %rax
	mov	8(%rbx), %rdi
	mov	16(%rbx), %rsi
	mov	24(%rbx), %rdx
	mov	32(%rbx), %r10
	mov	40(%rbx), %r8
	mov	48(%rbx), %r9
	call	gate
shim_native_return:
	pop	%rbx
	ret

/* long shim_bell(struct shim_request *): again when a signal came before the warden has taken the question (seccomp(2),
 * SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) and its handler is none that restarts calls. */
	.globl shim_bell
shim_bell:
	mov	$39, %eax
	call	bell
	cmp	$-4, %rax		/* -EINTR */
	je	shim_bell
	ret

/* long shim_ring(enum shim_ask ask, long tgid, long a, long b): a question that needs no memory, and its answer. */
	.globl shim_ring
shim_ring:
	mov	%rcx, %r8
	mov	%rdx, %r10
	mov	%rsi, %rdx
	mov	%edi, %esi
	xor	%edi, %edi
1:	mov	$39, %eax
	call	bell
	cmp	$-4, %rax
	je	1b
	ret

/* Where the handler of SIGSYS sends a guest that gives birth: the frame of the signal is gone, the registers
 * are the guest's but rax (the call), r9 (the slot) and perhaps rdi and rsi. */
	.globl shim_birth_entry
shim_birth_entry:
	jmp	birth_gate

/* Where a call goes on that was made from the gate below a red zone (altstack.c). */
	.globl shim_back
shim_back:
	ret	$128

/* In parent and child alike. What lies more than a red zone below the stack pointer is dead, in both. As after any call, rcx is
 * where it goes on, r11 and the flags are the flags from before. */
born:
	lea	-128(%rsp), %rsp
	pushfq
	cld
	push	%r8
	push	%r9
	push	%r10
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	mov	%rax, %rdi
	mov	%r9, %rsi
	call	shim_born		/* rax: what the guest gets */
	mov	%rbp, %rsp
	pop	%rbp
	pop	%r10
	pop	%r9
	pop	%r8
	mov	24(%r9), %rdi
	mov	32(%r9), %rsi
	mov	40(%r9), %rdx
	mov	8(%r9), %rcx
	mov	16(%r9), %r11
	test	%rax, %rax
	jz	1f
	lock andl $~1, (%r9)		/* BIRTH_PARENT */
	jmp	2f
1:	lock andl $~2, (%r9)		/* BIRTH_CHILD */
2:	mov	%r11, %r9
	mov	(%rsp), %r11
	popfq
	lea	128(%rsp), %rsp
	jmp	*%rcx

enter:
	xor	%esi, %esi
	jmp	shim_boot

/* A new image: maps what it still lacks, then begins as the kernel meant it to. */
boot:
	mov	%rsp, %rbp
	mov	%r8, %rdi
	mov	%rsp, %rsi
	and	$-16, %rsp
	call	shim_boot
	mov	%rbp, %rsp
	mov	(%rsp), %rcx
	mov	8(%rsp), %rsp
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%ebp, %ebp
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	mov	%rcx, %r11
	xor	%ecx, %ecx
	jmp	*%r11

/* A signal for the guest: its handler travels where the kernel keeps the restorer (actions.c), and so lies
 * on the stack as the return address. It gets the restorer that does the same in its place. */
handler:
	mov	%edi, %r13d		/* a handler's registers are nobody's: sigreturn brings back the guest's */
	mov	%rsi, %r12
	mov	%rdx, %rbx
	and	$-16, %rsp
	call	shim_interrupted
	test	%al, %al
	jz	1f
	mov	%rbx, %rsp
	jmp	returned
1:	mov	%r13d, %edi
	mov	%r12, %rsi
	call	shim_deliver
	mov	%r13d, %edi
	mov	%r12, %rsi
	mov	%rbx, %rdx
	/* The ucontext lies right above the return address (struct rt_sigframe). */
	lea	-8(%rbx), %rsp
	mov	(%rsp), %r11
	lea	shim_restorer(%rip), %rcx
	mov	%rcx, (%rsp)
	xor	%eax, %eax
	jmp	*%r11

/* The guest's handler has returned, its ucontext is what the stack pointer shows. Should it have put SIGSYS into the mask that
 * comes back (uc_sigmask), its next call would be its end. */
returned:
	btrl	$30, 296(%rsp)
	mov	$15, %eax
	jmp	gate

/* From a trampoline (patch.c): rax is the call, rcx where it goes on, the stack pointer is below the red zone already. What
 * syscall preserves is preserved, the flags too; rcx and r11 (the flags) are as it leaves them. */
	.globl shim_short
shim_short:
	pushfq
	cld
	push	%rcx
	push	%rbp
	push	%rdi
	push	%rsi
	push	%rdx
	push	%r10
	push	%r8
	push	%r9
	push	$0			/* struct trap, from its end */
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rax
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	shim_short_call
	cmpq	$0, 56(%rbp)		/* not for the short way? */
	cmovnz	(%rbp), %rax
	lea	64(%rbp), %rsp
	pop	%r9
	pop	%r8
	pop	%r10
	pop	%rdx
	pop	%rsi
	pop	%rdi
	pop	%rbp
	pop	%rcx
	mov	(%rsp), %r11
	jnz	1f
	popfq
	lea	128(%rsp), %rsp
	jmp	*%rcx
1:	popfq
	lea	128(%rsp), %rsp
	lea	-2(%rcx), %rcx		/* the syscall instruction that is still there: it traps */
	jmp	*%rcx

	.section .note.GNU-stack, "", @progbits
