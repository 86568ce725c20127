#include "tracee/hand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"

#define PAGE UINT64_C(4096)
#define STACK (8 * PAGE) /* never used: a tracer may lay a frame there */
#define CODE (2 * HAND_ROOM)
#define SLOT (CODE + PAGE + STACK)
#define MAPPED (SLOT + PAGE)
#define THREAD (CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PTRACE)
/* In what time it answers unless it is stopped, ms; and how often we look whether it is. */
#define PATIENCE 20
#define LOOK 2

/* The slot. The code below counts on it. */
struct slot {
	uint64_t nr, arg[6];
	int64_t result;
	uint64_t token;
	uint8_t data[HAND_DATA_MAX];
};
_Static_assert(offsetof(struct slot, result) == 56 && offsetof(struct slot, token) == 64, "the code counts on it");

extern const char hand_code_begin[], hand_code_end[];

/* rbx: the slot, ebp: the socket. A byte from it stands for a call; eight go back, the result. Once the other end is
 * closed it waits for its end. */
__asm__(".pushsection .rodata\n"
	".globl hand_code_begin, hand_code_end\n"
	".hidden hand_code_begin, hand_code_end\n"
	"hand_code_begin:\n"
	"1:	xor %eax, %eax\n" /* read */
	"	mov %ebp, %edi\n"
	"	lea 64(%rbx), %rsi\n"
	"	mov $1, %edx\n"
	"	syscall\n"
	"	cmp $1, %rax\n"
	"	jne 9f\n"
	"	mov (%rbx), %rax\n"
	"	mov 8(%rbx), %rdi\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdx\n"
	"	mov 32(%rbx), %r10\n"
	"	mov 40(%rbx), %r8\n"
	"	mov 48(%rbx), %r9\n"
	"	syscall\n"
	"	mov %rax, 56(%rbx)\n"
	"	mov $1, %eax\n" /* write */
	"	mov %ebp, %edi\n"
	"	lea 56(%rbx), %rsi\n"
	"	mov $8, %edx\n"
	"	syscall\n"
	"	jmp 1b\n"
	"9:	mov $34, %eax\n" /* pause */
	"	syscall\n"
	"	jmp 9b\n"
	"hand_code_end:\n"
	".popsection\n");

/* --- making --- */

static int map_and_connect(struct tracee *t, struct hand *h, int ends[2], struct pidspace_error *err)
{
	struct batch b = {};
	int map = BATCH_CALL(&b, "mmap", SYS_mmap, 0, MAPPED, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int advice[] = {MADV_DONTFORK, MADV_HUGEPAGE};

	for (size_t i = 0; i < 2; i++) {
		int c = BATCH_CALL(&b, "madvise", SYS_madvise, 0, MAPPED, advice[i]);
		batch_use(&b, c, 0, map);
		batch_may_fail(&b, c);
	}
	size_t out = batch_out(&b, 2 * sizeof *ends);
	int pair = BATCH_CALL(&b, "socketpair", SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			      BATCH_DATA(out));
	batch_may_fail(&b, pair);
	int r = batch_run(t, &b, err);
	if (r == 0) {
		h->mapped = (uint64_t)batch_result(&b, map);
		h->room = (h->mapped + HAND_ROOM - 1) & ~(HAND_ROOM - 1);
		h->slot = h->mapped + SLOT;
		memcpy(ends, batch_bytes(&b, out), 2 * sizeof *ends);
		if (batch_result(&b, pair) < 0)
			ends[0] = ends[1] = -1;
	}
	batch_done(&b);
	return r;
}

/* What is the process's again: everything but the thread's copies, or all of it. */
static int tidy(struct tracee *t, const struct hand *h, const int ends[2], bool unmap, struct pidspace_error *err)
{
	struct batch b = {};

	for (int i = 0; i < 2 && ends[0] >= 0; i++)
		BATCH_CALL(&b, "close", SYS_close, ends[i]);
	if (unmap)
		BATCH_CALL(&b, "munmap", SYS_munmap, h->mapped, MAPPED);
	int r = batch_run(t, &b, err);
	batch_done(&b);
	return r;
}

static int clone_thread(struct tracee *t, const struct hand *h, struct vpid *ret, struct pidspace_error *err)
{
	struct sys_clone_args a = {.flags = THREAD};
	size_t len = (size_t)(hand_code_end - hand_code_begin);
	struct batch b = {};
	int r = tracee_write(t, h->mapped + CODE, hand_code_begin, len);

	if (r < 0)
		return error_sys(err, r, "cannot write to task (host %d)", t->tid.n);
	BATCH_CALL(&b, "mprotect", SYS_mprotect, h->mapped + CODE, PAGE, PROT_READ | PROT_EXEC);
	size_t args = batch_in(&b, &a, sizeof a);
	int clone = BATCH_CALL(&b, "clone3 of a thread", SYS_clone3, BATCH_DATA(args), sizeof a);
	r = batch_run(t, &b, err);
	if (r == 0)
		*ret = vpid_of((pid_t)batch_result(&b, clone));
	batch_done(&b);
	return r;
}

int hand_make(struct tracee *t, struct hand *ret, struct vpid *ret_tid, struct pidspace_error *err)
{
	_cleanup_close_ int pidfd = sys_pidfd_open(t->tgid.n, 0);
	struct hand h = HAND_NONE;
	int ends[2], r;

	if (pidfd < 0)
		return error_sys(err, pidfd, "cannot reach process (host %d)", t->tgid.n);
	r = map_and_connect(t, &h, ends, err);
	if (r < 0)
		return r;
	h.sock = ends[0] < 0 ? -EMFILE : sys_pidfd_getfd(pidfd, ends[0]);
	h.sock_inside = ends[1];
	h.tgid = t->tgid;
	h.vdso = t->vdso;
	r = h.sock < 0 ? error_sys(err, h.sock, "cannot take over a socket") : clone_thread(t, &h, ret_tid, err);
	int k = tidy(t, &h, ends, r < 0, r < 0 ? NULL : err);
	if (r == 0 && k == 0)
		*ret = h;
	else
		fd_closep(&h.sock);
	return r < 0 ? r : k;
}

int hand_begin(struct hand *h, struct hpid tid, struct pidspace_error *err)
{
	struct user_regs_struct regs;
	struct tracee t;
	int r = tracee_take_newborn(&t, tid, h->tgid);

	h->tid = tid;
	if (r == 0) {
		regs = t.regs;
		regs.rip = h->mapped + CODE;
		regs.rbx = h->slot;
		regs.rbp = (uint64_t)h->sock_inside;
		regs.rsp = h->slot;
		regs.orig_rax = (uint64_t)-1;
		r = tracee_set_regs(&t, &regs);
	}
	if (r == 0)
		r = tracee_set_mask(&t, ~UINT64_C(0));
	if (r == 0 && ptrace(PTRACE_DETACH, tid.n, NULL, NULL) < 0)
		r = -errno;
	return r < 0 ? error_sys(err, r, "a thread of ours did not come up in process (host %d)", h->tgid.n) : 0;
}

/* --- asking --- */

uint64_t hand_data(const struct hand *h)
{
	return h->slot + offsetof(struct slot, data);
}

void hand_drop(struct hand *h)
{
	fd_closep(&h->sock);
}

static int put(const struct hand *h, uint64_t at, const void *bytes, size_t n)
{
	struct iovec l = {(void *)bytes, n}, r = {(void *)at, n};

	return process_vm_writev(h->tid.n, &l, 1, &r, 1, 0) == (ssize_t)n ? 0 : -ESRCH;
}

/* Its answer, if it is there: 1. -ESRCH: there will be none. */
static int take_answer(struct hand *h, int64_t *ret)
{
	ssize_t n = recv(h->sock, ret, sizeof *ret, MSG_DONTWAIT);

	if (n == (ssize_t)sizeof *ret) {
		h->waiting = false;
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	hand_drop(h);
	return -ESRCH;
}

/* Does somebody keep it from running? Then it is in no call. */
static bool is_stopped(const struct hand *h)
{
	_cleanup_free_ char *text = NULL;
	char path[48];

	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", h->tgid.n, h->tid.n);
	if (fd_slurp_at(AT_FDCWD, path, &text, NULL) < 0)
		return false;
	const char *state = strrchr(text, ')');
	return state && (state[2] == 't' || state[2] == 'T');
}

/* Takes the call back. A hand that runs is waited for; in one that is stopped, be it on its way to the call, the
 * kernel will find nothing to do. */
static int64_t take_back(struct hand *h)
{
	static const struct slot nothing = {.nr = SYS_getpid};
	int64_t result;

	if (put(h, h->slot, &nothing, offsetof(struct slot, result)) < 0 ||
	    put(h, hand_data(h), nothing.data, sizeof nothing.data) < 0) {
		hand_drop(h);
		return -ESRCH;
	}
	for (;;) {
		struct pollfd p = {.fd = h->sock, .events = POLLIN};
		bool stopped = is_stopped(h);
		poll(&p, 1, stopped ? 0 : LOOK);
		int r = take_answer(h, &result);
		if (r)
			return r < 0 ? r : result;
		if (stopped)
			return -ETIMEDOUT;
	}
}

bool hand_ready(struct hand *h)
{
	int64_t ignored;

	if (h->sock >= 0 && h->waiting)
		take_answer(h, &ignored);
	return h->sock >= 0 && !h->waiting;
}

/* Without waiting for it. */
static int ask(struct hand *h, long nr, const uint64_t arg[6], const void *data, size_t n)
{
	struct slot s = {.nr = (uint64_t)nr};

	if (!hand_ready(h))
		return h->sock < 0 ? -ESRCH : -ETIMEDOUT;
	memcpy(s.arg, arg, sizeof s.arg);
	if (n)
		memcpy(s.data, data, n);
	if (put(h, h->slot, &s, sizeof s) < 0 || send(h->sock, &s.token, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		hand_drop(h);
		return -ESRCH;
	}
	h->waiting = true;
	return 0;
}

static int64_t await(struct hand *h)
{
	struct pollfd p = {.fd = h->sock, .events = POLLIN};
	int64_t result;

	poll(&p, 1, PATIENCE);
	int r = take_answer(h, &result);
	return r > 0 ? result : r < 0 ? r : take_back(h);
}

int64_t hand_call(struct hand *h, long nr, const uint64_t arg[6], const void *data, size_t n)
{
	int r = n > HAND_DATA_MAX ? -E2BIG : ask(h, nr, arg, data, n);

	return r < 0 ? r : await(h);
}

static int64_t close_but(struct hand *h)
{
	uint64_t s = (uint64_t)h->sock_inside, below[6] = {0, s - 1}, above[6] = {s + 1, ~0U};
	int64_t r = s ? hand_call(h, SYS_close_range, below, NULL, 0) : 0;

	return r < 0 ? r : hand_call(h, SYS_close_range, above, NULL, 0);
}

int hand_give(struct hand *h, int fd)
{
	/* Its side, as it lies there. */
	struct receive {
		struct msghdr m;
		struct iovec iov;
		char control[CMSG_SPACE(sizeof(int))], byte;
	} in = {};
	uint64_t at = hand_data(h), arg[6] = {(uint64_t)h->sock_inside, at, MSG_CMSG_CLOEXEC};
	_Static_assert(sizeof in <= HAND_DATA_MAX, "it has to fit");

	int64_t r = close_but(h);
	if (r < 0)
		return (int)r;
	in.m.msg_iov = (struct iovec *)(at + offsetof(struct receive, iov));
	in.m.msg_iovlen = 1;
	in.m.msg_control = (void *)(at + offsetof(struct receive, control));
	in.m.msg_controllen = sizeof in.control;
	in.iov = (struct iovec){(void *)(at + offsetof(struct receive, byte)), 1};
	r = ask(h, SYS_recvmsg, arg, &in, sizeof in);
	if (r == 0 && fd_send_fds(h->sock, "", 1, &fd, 1) != 1)
		r = -ESRCH;
	if (r == 0)
		r = await(h);
	/* The lowest number that is free. */
	return r < 0 ? (int)r : h->sock_inside == 0;
}

/* --- ending --- */

/* Stops it where it waits. -ESRCH: it is gone, or its number is another's. */
static int stop(const struct hand *h, struct tracee *t)
{
	int status, r = tracee_seize(t, h->tid, h->tgid, 0);

	if (r < 0)
		return r == -EPERM ? -EBUSY : -ESRCH;
	t->newborn = true;
	if (tracee_interrupt(t) < 0)
		return -ESRCH;
	for (;;) {
		r = tracee_wait(t, &status);
		if (r < 0)
			return -ESRCH;
		if (status >> 16 == PTRACE_EVENT_STOP)
			break;
		ptrace(PTRACE_CONT, t->tid.n, NULL, (void *)(long)(status >> 16 ? 0 : WSTOPSIG(status)));
	}
	t->state = TRACEE_STOPPED;
	if (ptrace(PTRACE_GETREGS, t->tid.n, NULL, &t->regs) < 0)
		return -ESRCH;
	return t->regs.rip - (h->mapped + CODE) < PAGE ? 0 : -ESRCH;
}

/* Is there a vDSO where it was? The code is to survive its own page. */
static bool finds_syscall(const struct hand *h, const struct tracee *t, long at)
{
	uint8_t two[2];

	return at > 0 && tracee_read(t, h->vdso + (uint64_t)at, two, sizeof two) == 0 && two[0] == 0x0f && two[1] == 0x05;
}

int hand_leave(struct hand *h)
{
	long at = scratch_vdso_syscall(false);
	struct user_regs_struct regs;
	struct tracee t;

	if (h->sock < 0)
		return 0;
	if (!hand_ready(h))
		return h->sock < 0 ? 0 : -EBUSY;
	int r = stop(h, &t);
	if (r == 0 && finds_syscall(h, &t, scratch_vdso_syscall(true)) && finds_syscall(h, &t, at)) {
		scratch_single_call(&t, h->vdso, SYS_munmap, h->mapped, MAPPED, 0, 0, 0, 0);
		regs = t.regs;
		regs.rip = h->vdso + (uint64_t)at;
		regs.rax = SYS_exit;
		regs.rdi = 0;
		regs.orig_rax = (uint64_t)-1;
		tracee_set_regs(&t, &regs);
	}
	if (r == -EBUSY)
		return r;
	if (t.state != TRACEE_GONE)
		ptrace(PTRACE_DETACH, h->tid.n, NULL, NULL);
	hand_drop(h);
	return 0;
}
