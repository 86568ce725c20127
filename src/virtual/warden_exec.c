/* Following an exec: between the call and the first instruction of the new image, the shim has to get in. The
 * thread is seized before it makes the call; where the new image stops (PTRACE_EVENT_EXEC, still inside the call, which will
 * set rax to 0 when it returns), its first instructions are replaced by
 *
 *      mov $SYS_getpid, %eax; syscall; xchg %rax, %r8; syscall; add %rax, %rbx; jmp *%rbx
 *
 * with the registers for an mmap(2) of the shim's text, and we let go. The getpid rings at us once more (SHIM_RING): its
 * answer is a descriptor of the memfd, made for the occasion (warden_lend.c), where there is one thread and its table
 * of descriptors is the new image's. The shim maps the rest, puts back what was there (shim/boot.c) and begins the program.
 * One stop in all: a second would cost as much as everything else. */
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
static bool executes(struct warden *w, struct hpid tgid)
{
	vec_each(f, &w->followed)
		if (f->tgid.n == tgid.n)
			return true;
	return false;
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

	if (b->q.arg[0] && !may_enter_unreadable()) {
		b->q.ret = -EACCES;
		return;
	}
	/* Its process or thread has died, or it asks again when the other has failed. */
	if (executes(w, hpid_of(b->q.tgid))) {
		b->q.ret = -EAGAIN;
		return;
	}
	f = vec_push(&w->followed);
	if (!f) {
		b->q.ret = -ENOMEM;
		return;
	}
	*f = (struct following){.tid = b->tid, .tgid = hpid_of(b->q.tgid)};
	if (ptrace(PTRACE_SEIZE, b->tid.n, 0, PTRACE_O_TRACEEXEC) < 0) {
		b->q.ret = -errno;
		w->followed.n--;
		return;
	}
	b->q.ret = 0;
}

void warden_exec_failed(struct warden *w, struct bell *b)
{
	struct following *f = find(w, b->tid);

	if (!f)
		return;
	f->failed = true;
	ptrace(PTRACE_INTERRUPT, b->tid.n, 0, 0);
}

static const uint8_t entry[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0x49, 0x90, 0x0f, 0x05, 0x48, 0x01, 0xc3, 0xff, 0xe3};
_Static_assert(sizeof entry == SHIM_ENTRY_BYTES && sizeof entry == 2 * sizeof(uint64_t), "layout.h");

/* Changes instructions, keeping those that were there. PTRACE_POKETEXT also where the page may not be written to. */
static int replace(struct hpid pid, uint64_t at, uint8_t was[SHIM_ENTRY_BYTES])
{
	uint64_t word[2];

	for (int i = 0; i < 2; i++) {
		errno = 0;
		word[i] = (uint64_t)ptrace(PTRACE_PEEKTEXT, pid.n, at + 8 * (uint64_t)i, 0);
		if (errno)
			return -errno;
	}
	memcpy(was, word, sizeof word);
	memcpy(word, entry, sizeof word);
	for (int i = 0; i < 2; i++)
		if (ptrace(PTRACE_POKETEXT, pid.n, at + 8 * (uint64_t)i, word[i]) < 0)
			return -errno;
	return 0;
}

/* The first instructions, or what lies before them where the page ends too early: behind it there need not be another. */
static uint64_t place_at(uint64_t rip)
{
	uint64_t last = (rip | 4095) + 1 - SHIM_ENTRY_BYTES;

	return rip < last ? rip : last;
}

#define CODE_64 0x33 /* __USER_CS, asm/segment.h */

static int enter(struct warden *w, struct hpid pid)
{
	struct user_regs_struct r;
	struct shim_image image;
	struct iovec ours = {&image, sizeof image}, theirs;
	int e;

	if (ptrace(PTRACE_GETREGS, pid.n, 0, &r) < 0)
		return -errno;
	if (r.cs != CODE_64)
		return -ENOEXEC;
	image = (struct shim_image){.rip = r.rip, .rsp = r.rsp, .at = place_at(r.rip),
				    .in_proc = !!(pid_map_flags(w->place.map, pid, pid_map_to_vpid(w->place.map, pid)) &
						  TASK_IN_PROC)};
	e = replace(pid, image.at, image.was);
	if (e < 0)
		return e;
	r.rsp = (r.rsp - 256) & ~UINT64_C(15);
	theirs = (struct iovec){(void *)r.rsp, sizeof image};
	if (process_vm_writev(pid.n, &ours, 1, &theirs, 1, 0) != sizeof image)
		return -EFAULT;
	e = warden_lend_to(w, pid, r.rsp + offsetof(struct shim_image, lent));
	if (e < 0)
		return e;
	r.rip = image.at;
	r.rdi = SHIM_TEXT;
	r.rsi = SHIM_TEXT_SIZE;
	r.rdx = PROT_READ | PROT_EXEC;
	r.r10 = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
	r.r8 = SYS_mmap;
	r.r9 = SHIM_TEXT_AT;
	r.rbx = SHIM_ENTRY_BOOT - SHIM_TEXT; /* what an mmap that fails answers is no address either */
	return ptrace(PTRACE_SETREGS, pid.n, 0, &r) < 0 ? -errno : 0;
}

static void executed(struct warden *w, struct hpid pid)
{
	unsigned long before = (unsigned long)pid.n;
	struct following *f;
	int r;

	/* Of a thread that was not the leader this is its old number: it bears the leader's now. */
	ptrace(PTRACE_GETEVENTMSG, pid.n, 0, &before);
	f = find(w, hpid_of((pid_t)before));
	r = f ? enter(w, pid) : -ESRCH;
	forget(w, hpid_of((pid_t)before));
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
