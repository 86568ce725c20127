#include "tracee/batch.h"

#include <errno.h>
#include <string.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <elf.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/x86_64/sigframe.h"

#define GUARD_MAX ((size_t)20 << 10)
#define RED_ZONE 128

/* True when the code at p comes to a plain `ret` having touched no memory and no stack. */
static bool returns_at_once(const uint8_t *p, const uint8_t *end)
{
	for (int i = 0; i < 16 && p < end; i++) {
		if (*p == 0xc3)
			return true;
		if (p + 2 < end && *p == 0x31 && p[1] >= 0xc0)
			p += 2; /* xor reg,reg */
		else if (p + 3 < end && *p == 0x45 && p[1] == 0x31 && p[2] >= 0xc0)
			p += 3;
		else
			return false;
	}
	return false;
}

long scratch_vdso_syscall(bool returning)
{
	const uint8_t *v = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)v;
	size_t len = 0;

	if (!v)
		return -ENOENT;
	for (int i = 0; i < h->e_phnum; i++) {
		const Elf64_Phdr *p = (const Elf64_Phdr *)(v + h->e_phoff) + i;
		if (p->p_type == PT_LOAD && p->p_offset + p->p_filesz > len)
			len = p->p_offset + p->p_filesz;
	}
	for (size_t i = 0; i + 2 < len; i++)
		if (v[i] == 0x0f && v[i + 1] == 0x05 && (!returning || returns_at_once(v + i + 2, v + len)))
			return (long)i;
	return returning ? scratch_vdso_syscall(false) : -ENOENT;
}

/* Before the first call in a living task there is no scratch memory to fall back into: a frame below
 * its stack pointer serves, where that memory is dead, and the call returns into it. */
static void guard_stack(struct tracee *t, struct user_regs_struct *r)
{
	uint8_t xstate[TRACEE_XSTATE_MAX], frame[GUARD_MAX];
	size_t xlen = sizeof xstate;

	if (!t->sigreturn || !t->stack_below || tracee_get_xstate(t, xstate, &xlen) < 0)
		return;
	uint64_t at = (t->regs.rsp - RED_ZONE - xlen - 1024) & ~(uint64_t)63;
	struct user_regs_struct regs = t->regs;
	if (tracee_cut_short(t, &regs))
		tracee_step_back(t, &regs);
	size_t n = sigframe_build(frame, sizeof frame, at, &regs, t->sigmask, xstate, xlen, t->sigreturn);
	if (!n)
		return;
	t->lent = malloc(n);
	if (!t->lent || tracee_read(t, at, t->lent, n) < 0 || tracee_write(t, at, frame, n) < 0) {
		free(t->lent);
		t->lent = NULL;
		return;
	}
	t->lent_at = at;
	t->lent_len = n;
	r->rsp = at;
}

static void unguard_stack(struct tracee *t)
{
	if (!t->lent)
		return;
	tracee_write(t, t->lent_at, t->lent, t->lent_len);
	free(t->lent);
	t->lent = NULL;
}

static int call_start(struct tracee *t, long nr, const uint64_t a[6])
{
	struct user_regs_struct r = t->regs;
	long at = scratch_vdso_syscall(true);
	int e;

	if (at < 0 || !t->vdso)
		return -ENOENT;
	r.rip = t->vdso + (uint64_t)at;
	r.rax = (uint64_t)nr;
	r.orig_rax = (uint64_t)-1;
	r.rdi = a[0];
	r.rsi = a[1];
	r.rdx = a[2];
	r.r10 = a[3];
	r.r8 = a[4];
	r.r9 = a[5];
	if (!t->newborn)
		guard_stack(t, &r);
	e = tracee_set_regs(t, &r);
	if (e < 0)
		return e;
	e = tracee_set_mask(t, ~UINT64_C(0));
	if (e < 0)
		return e;
	t->state = TRACEE_ATTACHED;
	return ptrace(PTRACE_SYSCALL, t->tid.n, NULL, NULL) < 0 ? -errno : 0;
}

/* One of the two stops of a call, entry and exit; other stops on the way (an unblockable signal) are let
 * through. */
static int call_stop(struct tracee *t)
{
	int status, e;

	for (;;) {
		e = tracee_wait(t, &status);
		if (e < 0)
			return e;
		int event = status >> 16, sig = WSTOPSIG(status);
		if (!event && (sig & 0x7f) == SIGTRAP)
			return 0;
		if (!event && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL))
			return t->state = TRACEE_STOPPED, -EFAULT;
		ptrace(PTRACE_SYSCALL, t->tid.n, NULL, (void *)(long)(event ? 0 : sig));
	}
}

static int call_enter(struct tracee *t)
{
	int e = call_stop(t);

	if (e == 0)
		ptrace(PTRACE_SYSCALL, t->tid.n, NULL, NULL);
	return e;
}

/* entered: what call_enter() said. */
static int64_t call_finish(struct tracee *t, int entered)
{
	struct user_regs_struct r;
	int e = entered < 0 ? entered : call_stop(t);

	if (e < 0)
		return e;
	t->state = TRACEE_STOPPED;
	if (ptrace(PTRACE_GETREGS, t->tid.n, NULL, &r) < 0)
		return -errno;
	return (int64_t)r.rax;
}

int64_t scratch_single_call(struct tracee *t, uint64_t vdso, long nr, uint64_t a0, uint64_t a1,
			    uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	uint64_t a[6] = {a0, a1, a2, a3, a4, a5};

	t->vdso = vdso;
	int r = call_start(t, nr, a);
	return r < 0 ? r : call_finish(t, call_enter(t));
}

void scratch_slot(struct tracee *t, uint64_t slot, size_t size)
{
	t->slot = slot;
	t->slot_size = size;
}

int scratch_map_start(struct tracee *t, size_t bytes, struct pidspace_error *err)
{
	uint64_t a[6] = {0, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			 (uint64_t)-1, 0};
	int r = call_start(t, SYS_mmap, a);

	return r < 0 ? error_sys(err, r, "cannot enter task (host %d)", t->tid.n) : 0;
}

void scratch_enter(struct tracee *t)
{
	t->entered = call_enter(t);
}

int scratch_map_finish(struct tracee *t, size_t bytes, uint64_t *ret, struct pidspace_error *err)
{
	size_t len;
	const void *stub = scratch_stub(&len);
	int64_t at = call_finish(t, t->entered);
	int r;

	/* The frame goes into the slot before the first batch runs; until then: */
	if (t->state == TRACEE_STOPPED && !t->newborn)
		tracee_lay(t);
	if (t->state == TRACEE_STOPPED)
		unguard_stack(t);
	if (at < 0 && at >= -4095)
		return error_sys(err, (int)at, "cannot map scratch memory in task (host %d)", t->tid.n);
	r = tracee_write(t, (uint64_t)at, stub, len);
	if (r < 0)
		return error_sys(err, r, "cannot write scratch memory of task (host %d)", t->tid.n);
	*ret = (uint64_t)at;
	t->stub = (uint64_t)at;
	scratch_slot(t, (uint64_t)at + SCRATCH_CODE, bytes - SCRATCH_CODE);
	t->worked_in = false;
	return 0;
}

int scratch_map(struct tracee *t, size_t bytes, uint64_t *ret, struct pidspace_error *err)
{
	int r = scratch_map_start(t, bytes, err);

	if (r < 0)
		return r;
	scratch_enter(t);
	return scratch_map_finish(t, bytes, ret, err);
}

/* The end of the last call. A living task gets registers with which it goes on by itself, and can be let go from
 * this very stop: a detach makes the kernel look for a call to restart as a signal would (kernel/ptrace.c
 * __ptrace_unlink(): ptrace_signal_wake_up()), which PTRACE_CONT from an exit stop does not. */
static int64_t call_leave(struct tracee *t)
{
	int64_t got = call_finish(t, t->entered);

	if (t->state != TRACEE_STOPPED || t->newborn)
		return got;
	int r = tracee_lay(t);
	unguard_stack(t);
	return r < 0 ? r : got;
}

int scratch_unmap_start(struct tracee *t, uint64_t scratch, size_t bytes, struct pidspace_error *err)
{
	uint64_t a[6] = {scratch, bytes, 0, 0, 0, 0};
	int r = call_start(t, SYS_munmap, a);

	return r < 0 ? error_sys(err, r, "cannot enter task (host %d)", t->tid.n) : 0;
}

int scratch_unmap_finish(struct tracee *t, struct pidspace_error *err)
{
	int64_t r = call_leave(t);

	t->stub = 0;
	if (r < 0)
		return error_sys(err, (int)r, "cannot unmap scratch memory of task (host %d)", t->tid.n);
	return 0;
}

int scratch_unmap(struct tracee *t, uint64_t scratch, size_t bytes, struct pidspace_error *err)
{
	int r = scratch_unmap_start(t, scratch, bytes, err);

	if (r < 0)
		return r;
	scratch_enter(t);
	return scratch_unmap_finish(t, err);
}

int64_t scratch_living_call(struct tracee *t, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
			    struct pidspace_error *err)
{
	uint64_t a[6] = {a0, a1, a2, 0, 0, 0};
	int64_t r = call_start(t, nr, a);

	if (r == 0) {
		scratch_enter(t);
		r = call_leave(t);
	}
	/* The registers are back: the next batch writes its signal frame first. */
	t->worked_in = false;
	return r < 0 ? error_sys(err, (int)r, "cannot work in task (host %d)", t->tid.n) : r;
}
