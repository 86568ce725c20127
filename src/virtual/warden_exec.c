/* Following an exec: between the call and the first instruction of the new image, the shim has to get in. The
 * thread is seized before it makes the call; where the new image stops (PTRACE_EVENT_EXEC, still inside the call, which will
 * set rax to 0 when it returns), its first instructions are replaced by
 *
 *      mov $SYS_mmap, %eax; syscall; jmp *%rbx
 *
 * with the registers for a mapping of the shim's text, and we let go. The shim maps the rest, puts back what was there
 * (shim/boot.c) and begins the program. One stop in all: a second would cost as much as everything else. */
#include "virtual/warden.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

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

void warden_exec_ask(struct warden *w, struct bell *b)
{
	struct following *f;

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

static const uint8_t entry[] = {0xb8, SYS_mmap, 0, 0, 0, 0x0f, 0x05, 0xff, 0xe3};
_Static_assert(sizeof entry == SHIM_ENTRY_BYTES, "layout.h");

/* Changes the first instructions, keeping those that were there. PTRACE_POKETEXT also where the page may not be written to. */
static int replace(struct hpid pid, uint64_t rip, uint8_t was[SHIM_ENTRY_BYTES])
{
	uint64_t word[2];
	uint8_t *bytes = (uint8_t *)word;

	for (int i = 0; i < 2; i++) {
		errno = 0;
		word[i] = (uint64_t)ptrace(PTRACE_PEEKTEXT, pid.n, rip + 8 * (uint64_t)i, 0);
		if (errno)
			return -errno;
	}
	memcpy(was, bytes, sizeof entry);
	memcpy(bytes, entry, sizeof entry);
	for (int i = 0; i < 2; i++)
		if (ptrace(PTRACE_POKETEXT, pid.n, rip + 8 * (uint64_t)i, word[i]) < 0)
			return -errno;
	return 0;
}

static int enter(const struct warden *w, const struct following *f, struct hpid pid)
{
	struct user_regs_struct r;
	struct shim_image image;
	struct iovec ours = {&image, sizeof image}, theirs;
	int e;

	if (ptrace(PTRACE_GETREGS, pid.n, 0, &r) < 0)
		return -errno;
	image = (struct shim_image){.rip = r.rip, .rsp = r.rsp,
				    .in_proc = !!(pid_map_flags(w->place.map, pid, pid_map_to_vpid(w->place.map, pid)) &
						  TASK_IN_PROC)};
	e = replace(pid, r.rip, image.was);
	if (e < 0)
		return e;
	r.rsp = (r.rsp - 256) & ~UINT64_C(15);
	theirs = (struct iovec){(void *)r.rsp, sizeof image};
	if (process_vm_writev(pid.n, &ours, 1, &theirs, 1, 0) != sizeof image)
		return -EFAULT;
	r.rdi = SHIM_TEXT;
	r.rsi = SHIM_TEXT_SIZE;
	r.rdx = PROT_READ | PROT_EXEC;
	r.r10 = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
	r.r8 = (uint64_t)f->memfd;
	r.r9 = SHIM_TEXT_AT;
	r.rbx = SHIM_ENTRY_BOOT;
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
	r = f ? enter(w, f, pid) : -ESRCH;
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
