/* Following an exec: between the call and the first instruction of the new image, the shim has to get in. The
 * thread is seized before it makes the call; where the new image stops (PTRACE_EVENT_EXEC), one system call is made in it,
 * which maps the shim's text; from there the shim goes on by itself and we let go. */
#include "virtual/warden.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "kernel/sys.h"

static struct following *find(struct warden *w, struct hpid tid)
{
	vec_each(f, &w->followed)
		if (f->tid.n == tid.n)
			return f;
	return NULL;
}

static void forget(struct warden *w, struct hpid tid)
{
	struct following *f = find(w, tid);

	if (f)
		*f = w->followed.at[--w->followed.n];
}

void warden_exec_ask(struct warden *w, struct bell *b)
{
	struct following *f = vec_push(&w->followed);

	if (!f) {
		b->q.ret = -ENOMEM;
		return;
	}
	*f = (struct following){.tid = b->tid};
	if (ptrace(PTRACE_SEIZE, b->tid.n, 0, PTRACE_O_TRACEEXEC) < 0) {
		b->q.ret = -errno;
		w->followed.n--;
		return;
	}
	f->memfd = warden_hand_over(w, b, w->memfd, 0);
	b->q.ret = f->memfd;
	if (f->memfd < 0)
		warden_exec_failed(w, b);
}

void warden_exec_failed(struct warden *w, struct bell *b)
{
	struct following *f = find(w, b->tid);

	if (!f)
		return;
	f->failed = true;
	ptrace(PTRACE_INTERRUPT, b->tid.n, 0, 0);
}

/* Where a vDSO has a syscall instruction: the same in every process of this kernel. */
static uint64_t vdso_syscall_offset(void)
{
	const uint8_t *v = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);

	for (size_t i = 0; v && i < 8190; i++)
		if (v[i] == 0x0f && v[i + 1] == 0x05)
			return i;
	return 0;
}

static uint64_t vdso_of(struct hpid pid)
{
	char path[32];
	uint64_t aux[64 * 2];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/auxv", pid.n);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, aux, sizeof aux);
	for (ssize_t i = 0; i + 1 < n / 8; i += 2)
		if (aux[i] == AT_SYSINFO_EHDR)
			return aux[i + 1];
	return 0;
}

/* One step of a stopped thread: out of the call it is in, or over one instruction. What a signal breaks off is begun
 * again and the signal comes later: only SIGSTOP can, the others are blocked. */
static int step(struct hpid tid, int request, int *ret_later)
{
	int status;

	for (;;) {
		if (ptrace(request, tid.n, 0, 0) < 0)
			return -errno;
		if (waitpid(tid.n, &status, __WALL) != tid.n || !WIFSTOPPED(status))
			return -ESRCH;
		if (status >> 8 == SIGTRAP)
			return 0;
		if (status >> 16 == 0)
			*ret_later = WSTOPSIG(status);
	}
}

/* Maps the shim's text into a new image that has not begun, from outside; the rest is shim_boot()'s. */
static int enter(struct following *f, struct hpid pid)
{
	struct user_regs_struct r;
	uint64_t vdso = vdso_of(pid), offset = vdso_syscall_offset(), top[2], mask, all = UINT64_MAX;
	struct iovec ours = {top, sizeof top}, theirs;
	int later = 0, e;

	if (!vdso || !offset)
		return -ENOEXEC;
	if (ptrace(SYS_PTRACE_GETSIGMASK, pid.n, 8, &mask) < 0 || ptrace(SYS_PTRACE_SETSIGMASK, pid.n, 8, &all) < 0)
		return -errno;
	/* execve(2) has yet to return, and sets rax when it does. */
	e = step(pid, PTRACE_SYSCALL, &later);
	if (e < 0)
		return e;
	if (ptrace(PTRACE_GETREGS, pid.n, 0, &r) < 0)
		return -errno;
	top[0] = r.rip;
	top[1] = r.rsp;
	r.rsp = (r.rsp - 256) & ~UINT64_C(15);
	theirs = (struct iovec){(void *)r.rsp, sizeof top};
	if (process_vm_writev(pid.n, &ours, 1, &theirs, 1, 0) != sizeof top)
		return -EFAULT;
	r.orig_rax = UINT64_MAX;
	r.rax = SYS_mmap;
	r.rip = vdso + offset;
	r.rdi = SHIM_TEXT;
	r.rsi = SHIM_TEXT_SIZE;
	r.rdx = PROT_READ | PROT_EXEC;
	r.r10 = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
	r.r8 = (uint64_t)f->memfd;
	r.r9 = SHIM_TEXT_AT;
	if (ptrace(PTRACE_SETREGS, pid.n, 0, &r) < 0)
		return -errno;
	e = step(pid, PTRACE_SINGLESTEP, &later);
	if (e < 0)
		return e;
	if (ptrace(PTRACE_GETREGS, pid.n, 0, &r) < 0)
		return -errno;
	if (r.rax != SHIM_TEXT)
		return -ENOEXEC;
	r.rip = SHIM_ENTRY_BOOT;
	if (ptrace(PTRACE_SETREGS, pid.n, 0, &r) < 0 || ptrace(SYS_PTRACE_SETSIGMASK, pid.n, 8, &mask) < 0)
		return -errno;
	return later;
}

static void executed(struct warden *w, struct hpid pid)
{
	unsigned long before = (unsigned long)pid.n;
	struct following *f;
	int r;

	/* Of a thread that was not the leader this is its old number: it bears the leader's now. */
	ptrace(PTRACE_GETEVENTMSG, pid.n, 0, &before);
	f = find(w, hpid_of((pid_t)before));
	r = f ? enter(f, pid) : -ESRCH;
	forget(w, hpid_of((pid_t)before));
	if (r < 0) dprintf(2, "enter: %d\n", r);
	if (r < 0) /* its first system call would end it as well, but less clearly */
		kill(pid.n, SIGKILL);
	ptrace(PTRACE_DETACH, pid.n, 0, r > 0 ? r : 0);
}

void warden_exec_stop(struct warden *w, struct hpid tid, int status)
{
	struct following *f = find(w, tid);
	int event = status >> 16, sig = WSTOPSIG(status);

	if (!WIFSTOPPED(status)) {
		forget(w, tid);
	} else if (event == PTRACE_EVENT_EXEC) {
		executed(w, tid);
	} else if (!f || f->failed) {
		ptrace(PTRACE_DETACH, tid.n, 0, event ? 0 : sig);
		forget(w, tid);
	} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, tid.n, 0, 0); /* job control has stopped it */
	} else {
		ptrace(PTRACE_CONT, tid.n, 0, event ? 0 : sig);
	}
}
