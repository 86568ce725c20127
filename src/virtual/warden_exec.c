/* Following an exec: between the call and the first instruction of the new image, the shim has to get in. The
 * thread is seized before it makes the call; where the new image stops (PTRACE_EVENT_EXEC, still inside the call, which will
 * set rax to 0 when it returns), its first instructions are replaced by
 *
 *      mov $SYS_mmap, %al; syscall; jmp *%rbx
 *
 * with the registers for a mapping of the shim's text, and we let go. The shim maps the rest, puts back what was there
 * (shim/boot.c) and begins the program. One stop in all: a second would cost as much as everything else.
 *
 * The descriptor to map was the answer to the question. Where that would not do (shim/exec.c), the instructions are
 *
 *      mov $SYS_getpid, %al; syscall; xchg %rax, %r8; syscall; add %rax, %rbx; jmp *%rbx
 *
 * The getpid rings at us once more (SHIM_RING): its answer is a descriptor of the memfd, made for the occasion (warden_lend.c),
 * where there is one thread and its table of descriptors is the new image's. */
#include "virtual/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

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

/* Does another thread of the process execute? It holds the process's cred_guard_mutex and waits until every other thread is
 * gone, those we trace included, and that they are only once we have reaped them; and who seizes a thread waits for that
 * mutex (kernel/ptrace.c ptrace_attach()). So we must not. */
static struct following *find_of(struct warden *w, struct hpid tgid)
{
	vec_each(f, &w->followed)
		if (f->tgid.n == tgid.n)
			return f;
	return NULL;
}

/* Who executes what he may not read belongs to nobody but a privileged tracer (kernel/ptrace.c ptrace_access_vm()), privileged
 * in the first user namespace: the file may be of somebody unknown to ours (fs/exec.c would_dump()). */
static bool may_enter_unreadable(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2];
	_cleanup_free_ char *map = NULL;
	unsigned first, outside, n;

	return syscall(SYS_capget, &head, caps) == 0 && caps[0].effective & 1u << CAP_SYS_PTRACE &&
	       fd_slurp_at(AT_FDCWD, "/proc/self/uid_map", &map, NULL) >= 0 &&
	       sscanf(map, "%u %u %u", &first, &outside, &n) == 3 && !first && !outside && n == UINT32_MAX;
}

void warden_exec_ask(struct warden *w, struct bell *b)
{
	struct following *f;

	if (b->q.arg[0] & EXEC_UNREADABLE && !may_enter_unreadable()) {
		b->q.ret = -EACCES;
		return;
	}
	/* Its process or thread has died, or it asks again when the other has failed. */
	if (find_of(w, hpid_of(b->q.tgid))) {
		b->q.ret = -EAGAIN;
		return;
	}
	f = vec_push(&w->followed);
	if (!f) {
		b->q.ret = -ENOMEM;
		return;
	}
	*f = (struct following){.tid = b->tid, .tgid = hpid_of(b->q.tgid), .memfd = -1,
				.masked = b->q.arg[0] & EXEC_ALONE, .mask = b->q.arg[1],
				.ignores_sigsys = b->q.arg[0] & EXEC_IGNORES_SIGSYS};
	if (ptrace(PTRACE_SEIZE, b->tid.n, 0, PTRACE_O_TRACEEXEC) < 0) {
		b->q.ret = -errno;
		w->followed.n--;
		return;
	}
	if (f->masked)
		f->memfd = warden_lend_now(w, b->id);
	b->answered = f->memfd >= 0;
	b->q.ret = EXEC_NO_FD;
}

void warden_exec_failed(struct warden *w, struct bell *b)
{
	struct following *f = find(w, b->tid);

	if (!f)
		return;
	f->failed = true;
	ptrace(PTRACE_INTERRUPT, b->tid.n, 0, 0);
}

/* rax is 0 at the start of a program (execve(2) has returned it). */
static const uint8_t with_memfd[] = {0xb0, SYS_mmap, 0x0f, 0x05, 0xff, 0xe3, 0x90, 0x90};
static const uint8_t without[] = {0xb0, SYS_getpid, 0x0f, 0x05, 0x49, 0x90, 0x0f, 0x05, 0x48, 0x01, 0xc3, 0xff, 0xe3, 0x90, 0x90, 0x90};
_Static_assert(sizeof with_memfd == sizeof(uint64_t) && sizeof without == SHIM_ENTRY_BYTES, "whole words");

/* Changes instructions, keeping those that were there. PTRACE_POKETEXT also where the page may not be written to. */
static int replace(struct hpid pid, struct shim_image *image, const uint8_t *code)
{
	struct iovec ours = {image->was, image->n}, theirs = {(void *)image->at, image->n};
	uint64_t word;

	if (process_vm_readv(pid.n, &ours, 1, &theirs, 1, 0) != (ssize_t)image->n)
		return -EFAULT;
	for (unsigned i = 0; i < image->n; i += sizeof word) {
		memcpy(&word, code + i, sizeof word);
		if (ptrace(PTRACE_POKETEXT, pid.n, image->at + i, word) < 0)
			return -errno;
	}
	return 0;
}

/* The first instructions, or what lies before them where the page ends too early: behind it there need not be another. */
static uint64_t place_at(uint64_t rip, unsigned n)
{
	uint64_t last = (rip | 4095) + 1 - n;

	return rip < last ? rip : last;
}

#define CODE_64 0x33 /* __USER_CS, asm/segment.h */

static int enter(struct warden *w, const struct following *f, struct hpid pid)
{
	struct vpid v = pid_map_to_vpid(w->place.map, pid);
	bool has_memfd = f->memfd >= 0;
	struct user_regs_struct r;
	struct shim_image image;
	struct iovec ours = {&image, sizeof image}, theirs;
	int e;

	if (ptrace(PTRACE_GETREGS, pid.n, 0, &r) < 0)
		return -errno;
	if (r.cs != CODE_64)
		return -ENOEXEC;
	image = (struct shim_image){.rip = r.rip, .rsp = r.rsp, .host = pid.n, .vpid = v.n, .masked = f->masked, .mask = f->mask,
				    .ignores_sigsys = f->ignores_sigsys, .n = has_memfd ? sizeof with_memfd : sizeof without,
				    .in_proc = !!(pid_map_flags(w->place.map, pid, v) & TASK_IN_PROC)};
	image.at = place_at(r.rip, image.n);
	e = replace(pid, &image, has_memfd ? with_memfd : without);
	if (e < 0)
		return e;
	r.rsp = (r.rsp - 256) & ~UINT64_C(15);
	theirs = (struct iovec){(void *)r.rsp, sizeof image};
	if (process_vm_writev(pid.n, &ours, 1, &theirs, 1, 0) != sizeof image)
		return -EFAULT;
	e = has_memfd ? 0 : warden_lend_to(w, pid, r.rsp + offsetof(struct shim_image, lent));
	if (e < 0)
		return e;
	r.rip = image.at;
	r.rdi = SHIM_TEXT;
	r.rsi = SHIM_TEXT_SIZE;
	r.rdx = PROT_READ | PROT_EXEC;
	r.r10 = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
	r.r8 = has_memfd ? (uint64_t)f->memfd : SYS_mmap;
	r.r9 = SHIM_TEXT_AT;
	r.rbx = has_memfd ? SHIM_ENTRY_BOOT : SHIM_ENTRY_BOOT - SHIM_TEXT; /* what an mmap that fails answers is no address either */
	return ptrace(PTRACE_SETREGS, pid.n, 0, &r) < 0 ? -errno : 0;
}

/* A thread that was not the leader has its number by now. */
static void executed(struct warden *w, struct hpid pid)
{
	struct following *f = find_of(w, pid);
	int r = f ? enter(w, f, pid) : -ESRCH;

	if (f)
		*f = w->followed.at[--w->followed.n];
	if (r < 0) /* its first system call would end it as well, but less clearly */
		kill(pid.n, SIGKILL);
	ptrace(PTRACE_DETACH, pid.n, 0, 0);
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
