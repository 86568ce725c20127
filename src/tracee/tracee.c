#include "tracee/tracee.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/sys.h"

/* include/linux/errno.h, seen only in a stopped task's registers. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

#define STOP_EVENT(status) ((unsigned)(status) >> 16)

int tracee_seize(struct tracee *t, struct hpid tid, struct hpid tgid, unsigned long options)
{
	*t = (struct tracee){.tid = tid, .tgid = tgid};
	/* Should we die while it is at a call's entry or exit, the kernel sends it what the stop showed: SIGTRAP would
	 * kill it, SIGTRAP | 0x80 is no signal (kernel: ptrace_report_syscall()). */
	if (ptrace(PTRACE_SEIZE, tid.n, NULL, options | PTRACE_O_TRACESYSGOOD) < 0)
		return -errno;
	return 0;
}

int tracee_interrupt(struct tracee *t)
{
	if (ptrace(PTRACE_INTERRUPT, t->tid.n, NULL, NULL) < 0)
		return -errno;
	return 0;
}

/* A stop makes epoll_wait and its like answer EINTR (signal(7)); a tracer that dies would leave that behind. */
static int take_stop(struct tracee *t, int status)
{
	struct user_regs_struct r;

	int sig = WSTOPSIG(status);

	t->state = TRACEE_STOPPED;
	t->group_stop = sig == SIGTRAP ? 0 : sig;
	if (ptrace(PTRACE_GETREGS, t->tid.n, NULL, &t->regs) < 0 ||
	    ptrace(SYS_PTRACE_GETSIGMASK, t->tid.n, sizeof t->sigmask, &t->sigmask) < 0)
		return -errno;
	r = t->regs;
	return !t->newborn && (long)r.rax == -EINTR && tracee_cut_short(t, &r) ? tracee_lay(t) : 0;
}

static void take_exit(struct tracee *t, int status)
{
	t->state = TRACEE_GONE;
	t->wait_status = status;
}

int tracee_poll_stop(struct tracee *t)
{
	int status;

	if (t->state != TRACEE_ATTACHED)
		return 1;
	pid_t got = waitpid(t->tid.n, &status, __WALL | WNOHANG);
	if (got == 0)
		return 0;
	if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
		take_exit(t, got < 0 ? 0 : status);
		return 1;
	}
	if (STOP_EVENT(status) == PTRACE_EVENT_STOP)
		return take_stop(t, status) < 0 ? 0 : 1;
	/* A trap clears the pending interrupt (kernel/signal.c ptrace_stop): ask again, then let the
	 * signal or the event through. */
	int sig = STOP_EVENT(status) ? 0 : WSTOPSIG(status);
	ptrace(PTRACE_INTERRUPT, t->tid.n, NULL, NULL);
	ptrace(PTRACE_CONT, t->tid.n, NULL, (void *)(long)sig);
	return 0;
}

static int wait_with(struct tracee *t, int options, int *ret_status)
{
	int status;
	pid_t got;

	do
		got = waitpid(t->tid.n, &status, __WALL | options);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return -EAGAIN;
	if (got < 0) {
		take_exit(t, 0);
		return -errno;
	}
	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		take_exit(t, status);
		return -ESRCH;
	}
	*ret_status = status;
	return 0;
}

int tracee_wait(struct tracee *t, int *ret_status)
{
	return wait_with(t, 0, ret_status);
}

int tracee_wait_now(struct tracee *t, int *ret_status)
{
	return wait_with(t, WNOHANG, ret_status);
}

int tracee_take_newborn(struct tracee *t, struct hpid tid, struct hpid tgid)
{
	int status, r;

	*t = (struct tracee){.tid = tid, .tgid = tgid, .newborn = true};
	r = tracee_wait(t, &status);
	if (r < 0)
		return r;
	return take_stop(t, status);
}

int tracee_read(const struct tracee *t, uint64_t address, void *buf, size_t n)
{
	while (n) {
		struct iovec l = {buf, n}, r = {(void *)address, n};
		ssize_t k = process_vm_readv(t->tid.n, &l, 1, &r, 1, 0);
		if (k <= 0)
			return k < 0 ? -errno : -EFAULT;
		buf = (char *)buf + k;
		address += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int tracee_write(const struct tracee *t, uint64_t address, const void *buf, size_t n)
{
	while (n) {
		struct iovec l = {(void *)buf, n}, r = {(void *)address, n};
		ssize_t k = process_vm_writev(t->tid.n, &l, 1, &r, 1, 0);
		if (k <= 0)
			return k < 0 ? -errno : -EFAULT;
		buf = (const char *)buf + k;
		address += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int tracee_get_xstate(const struct tracee *t, void *buf, size_t *ret_len)
{
	struct iovec v = {buf, *ret_len};

	if (t->xstate && t->xstate_len <= *ret_len) {
		memcpy(buf, t->xstate, *ret_len = t->xstate_len);
		return 0;
	}
	if (ptrace(PTRACE_GETREGSET, t->tid.n, NT_X86_XSTATE, &v) < 0)
		return -errno;
	*ret_len = v.iov_len;
	return 0;
}

int tracee_set_xstate(const struct tracee *t, const void *buf, size_t len)
{
	struct iovec v = {(void *)buf, len};

	return ptrace(PTRACE_SETREGSET, t->tid.n, NT_X86_XSTATE, &v) < 0 ? -errno : 0;
}

int tracee_set_regs(struct tracee *t, const struct user_regs_struct *r)
{
	t->worked_in = true;
	return ptrace(PTRACE_SETREGS, t->tid.n, NULL, r) < 0 ? -errno : 0;
}

int tracee_set_mask(struct tracee *t, uint64_t mask)
{
	return ptrace(SYS_PTRACE_SETSIGMASK, t->tid.n, sizeof mask, &mask) < 0 ? -errno : 0;
}

/* The number of a call with a time-out that the last mov $nr,register (its opcode) in front of `end` loads; 0: none. */
static long loaded_before(const struct tracee *t, uint64_t end, uint8_t opcode)
{
	static const int32_t known[] = {SYS_nanosleep, SYS_clock_nanosleep, SYS_poll, SYS_futex};
	uint8_t code[64];
	int32_t nr;

	if (tracee_read(t, end - sizeof code, code, sizeof code) < 0)
		return 0;
	for (size_t i = sizeof code - 4; i-- > 0;) {
		memcpy(&nr, code + i + 1, sizeof nr);
		for (size_t k = 0; code[i] == opcode && k < sizeof known / sizeof *known; k++)
			if (nr == known[k])
				return nr;
	}
	return 0;
}

/* The call with a time-out that restart_syscall(2) stands for: its number is loaded in front of the syscall instruction
 * (mov $nr,%eax), or, where that is the one of syscall(3), by who called it (mov $nr,%edi). 0: not recognised. */
static long restarted_call(const struct tracee *t, const struct user_regs_struct *r)
{
	long nr = loaded_before(t, r->rip - 2, 0xb8);
	uint64_t caller;

	if (!nr && tracee_read(t, r->rsp, &caller, sizeof caller) == 0)
		nr = loaded_before(t, caller, 0xbf);
	return nr;
}

bool tracee_cut_short(const struct tracee *t, struct user_regs_struct *r)
{
	if ((long)r->rax == -ERESTART_RESTARTBLOCK) {
		if ((long)r->orig_rax == SYS_restart_syscall) {
			long nr = restarted_call(t, r);
			if (!nr)
				return false;
			r->orig_rax = (unsigned long)nr;
		}
		switch ((long)r->orig_rax) {
		case SYS_nanosleep:
		case SYS_clock_nanosleep:
		case SYS_poll:
		case SYS_futex:
			return true;
		}
		return false;
	}
	if ((long)r->rax != -EINTR)
		return false;
	switch ((long)r->orig_rax) {
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_epoll_wait:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_rt_sigtimedwait:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_read:
	case SYS_write:
	case SYS_readv:
	case SYS_writev:
	case SYS_io_getevents:
		return true;
	}
	return false;
}

bool tracee_must_reenter(const struct user_regs_struct *r)
{
	long nr = (long)r->orig_rax;

	return (long)r->rax == -ERESTARTNOHAND &&
	       (nr == SYS_ppoll || nr == SYS_pselect6 || nr == SYS_rt_sigsuspend);
}

/* What is left to wait. The scheduler's clocks, which `elapsed` comes from, are good to a percent or two here; a wait
 * may be longer than asked but never shorter (nanosleep(2)), so the error goes to that side. */
static uint64_t left(uint64_t asked, uint64_t elapsed)
{
	uint64_t doubt = elapsed / 50 + 10000000;

	elapsed = elapsed > doubt ? elapsed - doubt : 0;
	return elapsed < asked ? asked - elapsed : 1000;
}

/* The time-out at *address, less what has passed, put where nobody looks: below the red zone. Nothing but
 * the call itself runs before it is read. */
static void shorten(const struct tracee *t, const struct user_regs_struct *r, unsigned long long *address)
{
	struct timespec ts;
	uint64_t at = r->rsp - 256, ns;

	/* It may be waiting with what we left there before: that must stay, it is read again. */
	if (*address == at)
		at -= sizeof ts;
	if (!*address || !t->elapsed_ns || tracee_read(t, *address, &ts, sizeof ts) < 0)
		return;
	ns = left((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec, t->elapsed_ns);
	ts.tv_sec = (time_t)(ns / 1000000000);
	ts.tv_nsec = (long)(ns % 1000000000);
	if (tracee_write(t, at, &ts, sizeof ts) == 0)
		*address = at;
}

static void shorten_timeout(const struct tracee *t, struct user_regs_struct *r)
{
	switch ((long)r->rax) {
	case SYS_nanosleep:
		shorten(t, r, &r->rdi);
		break;
	case SYS_clock_nanosleep:
		if (!(r->rsi & TIMER_ABSTIME))
			shorten(t, r, &r->rdx);
		break;
	case SYS_poll:
		if ((int)r->rdx > 0 && t->elapsed_ns)
			r->rdx = (left((uint64_t)(int)r->rdx * 1000000, t->elapsed_ns) + 999999) / 1000000;
		break;
	case SYS_futex:
		/* FUTEX_WAIT alone counts from now, the others wait until a moment. */
		if ((r->rsi & 127) == 0)
			shorten(t, r, &r->r10);
		break;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		if ((int)r->r10 > 0 && t->elapsed_ns)
			r->r10 = (left((uint64_t)(int)r->r10 * 1000000, t->elapsed_ns) + 999999) / 1000000;
		break;
	case SYS_rt_sigtimedwait:
		shorten(t, r, &r->rdx);
		break;
	case SYS_semtimedop:
	case SYS_epoll_pwait2:
		shorten(t, r, &r->r10);
		break;
	case SYS_recvmmsg:
	case SYS_io_getevents:
		shorten(t, r, &r->r8);
		break;
	}
}

void tracee_step_back(const struct tracee *t, struct user_regs_struct *r)
{
	r->rax = r->orig_rax;
	r->rip -= 2;
	r->orig_rax = (unsigned long)-1;
	shorten_timeout(t, r);
}

int tracee_reenter(struct tracee *t, const struct user_regs_struct *regs, uint64_t mask)
{
	struct user_regs_struct r = *regs;
	int status, e;

	r.rax = r.orig_rax;
	r.rip -= 2;
	r.orig_rax = (unsigned long)-1;
	e = tracee_set_regs(t, &r);
	if (e == 0)
		e = tracee_set_mask(t, ~UINT64_C(0));
	for (;;) {
		if (e < 0)
			return e;
		if (ptrace(PTRACE_SYSCALL, t->tid.n, NULL, NULL) < 0)
			return -errno;
		e = tracee_wait(t, &status);
		if (e == 0 && !STOP_EVENT(status) && (WSTOPSIG(status) & 0x7f) == SIGTRAP)
			break;
	}
	t->state = TRACEE_STOPPED;
	return tracee_set_mask(t, mask);
}

int tracee_put_back(struct tracee *t)
{
	if (tracee_must_reenter(&t->regs) && !t->group_stop)
		return tracee_reenter(t, &t->regs, t->sigmask);
	if (!t->worked_in && !t->laid)
		return 0;
	if (ptrace(PTRACE_SETREGS, t->tid.n, NULL, &t->regs) < 0 || tracee_set_mask(t, t->sigmask) < 0)
		return -errno;
	t->worked_in = t->laid = false;
	return 0;
}

int tracee_lay(struct tracee *t)
{
	struct user_regs_struct r = t->regs;
	long code = (long)r.rax;

	if (tracee_cut_short(t, &r)) {
		tracee_step_back(t, &r);
	} else if ((long)r.orig_rax >= 0 && (code == -ERESTARTSYS || code == -ERESTARTNOINTR ||
					     code == -ERESTARTNOHAND || code == -ERESTART_RESTARTBLOCK)) {
		r.rax = r.orig_rax;
		r.rip -= 2;
		r.orig_rax = (unsigned long)-1;
	}
	if (ptrace(PTRACE_SETREGS, t->tid.n, NULL, &r) < 0 || tracee_set_mask(t, t->sigmask) < 0)
		return -errno;
	t->worked_in = false;
	t->laid = true;
	return 0;
}

void tracee_release(struct tracee *t)
{
	if (t->state != TRACEE_STOPPED)
		return;
	tracee_put_back(t);
	ptrace(PTRACE_DETACH, t->tid.n, NULL, NULL);
	t->state = TRACEE_GONE;
}
