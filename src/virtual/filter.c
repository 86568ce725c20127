#include "virtual/filter.h"
#include <stdlib.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <linux/seccomp.h>
#include <linux/audit.h>
#include "virtual/layout.h"
static const int trapped[] = {SYS_getpid,SYS_gettid,SYS_getppid,SYS_set_tid_address,SYS_fork,SYS_vfork,SYS_clone,SYS_clone3,SYS_wait4,SYS_waitid,SYS_rt_sigaction,SYS_rt_sigprocmask,SYS_kill,SYS_tkill,SYS_tgkill,SYS_rt_sigqueueinfo,SYS_rt_tgsigqueueinfo,SYS_pidfd_send_signal,SYS_rt_sigtimedwait,SYS_execve,SYS_execveat,SYS_open,SYS_openat,SYS_stat,SYS_lstat,SYS_newfstatat,SYS_statx,SYS_access,SYS_faccessat,SYS_faccessat2,SYS_readlink,SYS_readlinkat,SYS_chdir,SYS_rt_sigsuspend};
#define N (sizeof trapped/sizeof*trapped)
int filter_build(const struct filter_places *p, struct sock_filter **ret, size_t *ret_n)
{
	struct sock_filter *f = calloc(400, sizeof *f); size_t n = 0;
#define LD(o) f[n++] = (struct sock_filter)BPF_STMT(BPF_LD|BPF_W|BPF_ABS, o)
#define RET(v) f[n++] = (struct sock_filter)BPF_STMT(BPF_RET|BPF_K, v)
	LD(0);
	for (size_t i = 0; i < N; i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, trapped[i], N - i, 0);
	RET(SECCOMP_RET_ALLOW);
	LD(12); f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, p->gate >> 32, 0, 4);
	LD(8);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint32_t)p->gate, 4, 0);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint32_t)p->birth_gate, 3, 0);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint32_t)p->bell, 1, 0);
	RET(SECCOMP_RET_TRAP | SHIM_TRAP);
	RET(SECCOMP_RET_USER_NOTIF);
	RET(SECCOMP_RET_ALLOW);
	*ret = f; *ret_n = n; return 0;
}
