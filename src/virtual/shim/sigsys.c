/* Where every trapped system call arrives, and where it leaves with its answer. */
#include "virtual/shim/trap.h"

static long dispatch(struct trap *t)
{
	switch (t->nr) {
	case __NR_getpid:
	case __NR_gettid:
	case __NR_getppid:
	case __NR_set_tid_address:
		return ids_own(t);
	case __NR_setsid:
		return ids_setsid(t);
	case __NR_fork:
	case __NR_vfork:
	case __NR_clone:
	case __NR_clone3:
		return births_begin(t);
	case __NR_wait4:
		return waits_wait4(t);
	case __NR_waitid:
		return waits_waitid(t);
	case __NR_rt_sigaction:
		return actions_sigaction(t);
	case __NR_rt_sigprocmask:
		return actions_procmask(t);
	case __NR_ppoll:
	case __NR_pselect6:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
	case __NR_rt_sigsuspend:
		return actions_masked_wait(t);
	case __NR_kill:
		return signals_kill(t);
	case __NR_tkill:
	case __NR_tgkill:
		return signals_tgkill(t);
	case __NR_rt_sigqueueinfo:
	case __NR_rt_tgsigqueueinfo:
		return signals_queue(t);
	case __NR_pidfd_send_signal:
		return signals_pidfd_send(t);
	case __NR_rt_sigtimedwait:
		return signals_timedwait(t);
	case __NR_execve:
	case __NR_execveat:
		return exec_begin(t);
	default:
		return rows_call(t);
	}
}

/* The kernel has undone the call (syscall_rollback()): rax is its number again, rip lies behind it. */
void shim_sigsys(int sig, siginfo_t *info, struct ucontext *uc)
{
	struct sigcontext *m = (struct sigcontext *)&uc->uc_mcontext;
	struct trap t = {
		.nr = (long)m->rax,
		.arg = {(long)m->rdi, (long)m->rsi, (long)m->rdx, (long)m->r10, (long)m->r8, (long)m->r9},
		.uc = uc,
	};
	unsigned long rip = m->rip;
	long ret;

	if (info->si_code != 1 /* SYS_SECCOMP */ || info->si_errno != SHIM_TRAP) {
		actions_own_sigsys(info, uc);
		return;
	}
	ret = dispatch(&t);
	/* A birth goes on elsewhere, with registers of its own. */
	if (m->rip == rip)
		m->rax = (unsigned long)ret;
}

bool guest_readable(const void *p, unsigned long len)
{
	unsigned long at = (unsigned long)p, end = at + len;

	if (end < at)
		return false;
	/* rt_sigprocmask(2) reads the set before it looks at an impossible `how`. An aligned word never crosses
	 * into the next page. */
	for (at &= ~7ul; at < end; at = (at | 4095) + 1)
		if (CALL4(__NR_rt_sigprocmask, -1, at, 0, 8) == -EFAULT)
			return false;
	return true;
}

bool guest_write(void *to, const void *from, unsigned long len)
{
	struct {
		const void *at;
		unsigned long len;
	} ours = {from, len}, theirs = {to, len};

	return shim_call(__NR_process_vm_writev, CALL0(__NR_getpid), (long)&ours, 1, (long)&theirs, 1, 0) == (long)len;
}
