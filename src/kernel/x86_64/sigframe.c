#include "kernel/x86_64/sigframe.h"

#include <string.h>

#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U
#define UC_FLAGS (1 | 2 | 4) /* FP_XSTATE, SIGCONTEXT_SS, STRICT_RESTORE_SS */

struct frame_context {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct frame {
	uint64_t pretcode, uc_flags, uc_link;
	uint64_t stack_sp;
	int32_t stack_flags, pad;
	uint64_t stack_size;
	struct frame_context c;
	uint64_t mask;
	uint8_t siginfo[128];
};

struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};

static void restart(struct frame_context *c, const struct user_regs_struct *r)
{
	long code = (long)r->rax;

	if ((long)r->orig_rax < 0)
		return;
	/* A call with a time-out too starts anew: rt_sigreturn(2) forgets the deadline that restart_syscall(2)
	 * would need, and waiting longer is better than an EINTR that nobody expects. */
	if (code == -512 || code == -513 || code == -514 || code == -516) {
		c->ax = r->orig_rax;
		c->ip -= 2;
	}
}

size_t sigframe_build(void *buf, size_t cap, uint64_t at, const struct user_regs_struct *r,
		      uint64_t mask, const void *xstate, size_t xlen, uint64_t sigreturn)
{
	size_t fp_at = (sizeof(struct frame) + 63) & ~(size_t)63;
	size_t len = fp_at + xlen + 4;
	struct frame *f = buf;
	struct sw_bytes sw;
	uint32_t magic2 = FP_XSTATE_MAGIC2;

	if (len > cap || xlen < 576)
		return 0;
	memset(f, 0, sizeof *f);
	f->pretcode = sigreturn;
	f->uc_flags = UC_FLAGS;
	f->stack_flags = -1; /* invalid on purpose: the alternative stack stays as it is */
	f->c = (struct frame_context){
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11, .r12 = r->r12, .r13 = r->r13,
		.r14 = r->r14, .r15 = r->r15, .di = r->rdi, .si = r->rsi, .bp = r->rbp, .bx = r->rbx,
		.dx = r->rdx, .ax = r->rax, .cx = r->rcx, .sp = r->rsp, .ip = r->rip,
		.flags = r->eflags, .cs = (uint16_t)r->cs, .ss = (uint16_t)r->ss,
		.fpstate = at + fp_at,
	};
	restart(&f->c, r);
	f->mask = mask;
	uint8_t *x = (uint8_t *)buf + fp_at;
	memset((uint8_t *)buf + sizeof *f, 0, fp_at - sizeof *f);
	memcpy(x, xstate, xlen);
	memset(&sw, 0, sizeof sw);
	sw.magic1 = FP_XSTATE_MAGIC1;
	sw.extended_size = (uint32_t)xlen + 4;
	memcpy(&sw.xfeatures, x + 464, 8); /* ptrace leaves XCR0 there, as the signal frame wants it */
	sw.xstate_size = (uint32_t)xlen;
	memcpy(x + 464, &sw, sizeof sw);
	memcpy(x + xlen, &magic2, 4);
	return len;
}
