/* A program's own seccomp filter with a SIGSYS handler of its own. */
#include "case.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <ucontext.h>

static volatile int traps, trapped_nr;

static void on_trap(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	traps++;
	trapped_nr = si->si_syscall;
	u->uc_mcontext.gregs[REG_RAX] = 4711;
}

/* uname(2) is trapped: it has no pid and needs nobody to translate it. */
static void trap_of_ones_own(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sysinfo, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 7),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof(f) / sizeof(f[0]), f };
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	char room[256];
	pid_t child;

	BD_SYS(sigaction(SIGSYS, &sa, NULL));
	BD_DO(raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	BD_DO(raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
	BD_EQ(raw(SYS_sysinfo, room), 4711);
	BD_EQ(traps, 1);
	BD_EQ(trapped_nr, SYS_sysinfo);
	BD_OP(raw(SYS_getpid), >, 1);
	BD_OP(raw(SYS_getpid), <, 3000);
	child = bd_sleeper();
	bd_end(child);
	BD_EQ(raw(SYS_prctl, PR_GET_SECCOMP), 2);
	BD_EQ(atoi(bd_line("/proc/self/status", "Seccomp:") ?: "-1"), 2);
	BD_EQ(traps, 1);
}

static void an_errno_of_ones_own(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sysinfo, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof(f) / sizeof(f[0]), f };

	BD_DO(raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	BD_DO(raw(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
	BD_EQ(raw(SYS_sysinfo, NULL), -77);
	BD_OP(raw(SYS_getpid), >, 1);
}

const struct bd_case bd_cases[] = {
	{ "a trap of one's own", trap_of_ones_own },
	{ "an errno of one's own", an_errno_of_ones_own },
	{},
};
