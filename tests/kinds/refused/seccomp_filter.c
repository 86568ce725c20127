/* Refused with E_SECCOMP: a process with a system call filter.
 *
 *	first ── child (getppid is EPERM for it)
 */
#include "kindtest.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static void child(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = 4, .filter = code};

	KT_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	KT_SYS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
	kt_mark("filtered");
	kt_wait_go();
	KT_ERR(syscall(SYS_getppid), EPERM);
}

int main(void)
{
	pid_t pid = kt_child(child, NULL);

	kt_await("filtered");
	kt_refused_with("E_SECCOMP");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	kt_pass();
}
