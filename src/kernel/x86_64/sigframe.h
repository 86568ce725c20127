#pragma once
/* The frame rt_sigreturn(2) takes everything back from (arch/x86/include/asm/sigframe.h,
 * arch/x86/include/uapi/asm/sigcontext.h): built by hand so that a task whose tracer dies in the
 * middle of our work returns to what it did. */
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/* Writes the frame that belongs at guest address `at` (64-byte aligned) into buf and returns its length,
 * 0 if it does not fit. regs are those of the stop: an interrupted call is stepped back onto its
 * instruction. sigreturn: address of code that calls rt_sigreturn, or 0. */
size_t sigframe_build(void *buf, size_t cap, uint64_t at, const struct user_regs_struct *regs,
		      uint64_t mask, const void *xstate, size_t xstate_len, uint64_t sigreturn);
