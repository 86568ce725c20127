/* Runs a program where a sandbox around it denies system calls. usage: boxed MODE COMMAND...
 *
 *   no-userns    nobody can make a user namespace, so an ordinary user has no namespaces at all
 *   docker       what Docker's default profile denies a container without added capabilities, as far as we come near it
 *   no-landlock  a kernel without Landlock
 *   old-notify   seccomp(2) as before Linux 5.19: no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
 *
 * A filter of seccomp(2) and nothing else, inherited by all that follows. A real host without user namespaces answers
 * clone3(2) in kind; a filter cannot see its arguments, so there it is ENOSYS, which makes programs take clone(2). */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

struct rule {
	int nr, error;
	int arg;       /* which argument is looked at; -1: none */
	uint32_t bits; /* the rule holds when one of these is set in it */
};

static const struct rule no_userns[] = {
	{SYS_unshare, EPERM, 0, CLONE_NEWUSER},
	{SYS_clone, EPERM, 0, CLONE_NEWUSER},
	{SYS_clone3, ENOSYS, -1, 0},
	{0},
};

static const struct rule docker[] = {
	{SYS_clone, EPERM, 0, NAMESPACES},
	{SYS_clone3, ENOSYS, -1, 0},
	{SYS_unshare, EPERM, -1, 0},
	{SYS_setns, EPERM, -1, 0},
	{SYS_kcmp, EPERM, -1, 0},
	{SYS_pidfd_getfd, EPERM, -1, 0},
	{SYS_userfaultfd, EPERM, -1, 0},
	{SYS_mount, EPERM, -1, 0},
	{SYS_umount2, EPERM, -1, 0},
	{SYS_pivot_root, EPERM, -1, 0},
	{SYS_fsopen, EPERM, -1, 0},
	{SYS_fsconfig, EPERM, -1, 0},
	{SYS_fsmount, EPERM, -1, 0},
	{SYS_fspick, EPERM, -1, 0},
	{SYS_open_tree, EPERM, -1, 0},
	{SYS_move_mount, EPERM, -1, 0},
	{SYS_mount_setattr, EPERM, -1, 0},
	{SYS_sethostname, EPERM, -1, 0},
	{SYS_setdomainname, EPERM, -1, 0},
	{SYS_bpf, EPERM, -1, 0},
	{SYS_perf_event_open, EPERM, -1, 0},
	{SYS_keyctl, EPERM, -1, 0},
	{SYS_add_key, EPERM, -1, 0},
	{SYS_request_key, EPERM, -1, 0},
	{SYS_io_uring_setup, EPERM, -1, 0},
	{SYS_io_uring_enter, EPERM, -1, 0},
	{SYS_io_uring_register, EPERM, -1, 0},
	{SYS_open_by_handle_at, EPERM, -1, 0},
	{SYS_fanotify_init, EPERM, -1, 0},
	{SYS_quotactl, EPERM, -1, 0},
	{SYS_mbind, EPERM, -1, 0},
	{SYS_set_mempolicy, EPERM, -1, 0},
	{SYS_get_mempolicy, EPERM, -1, 0},
	{SYS_move_pages, EPERM, -1, 0},
	{SYS_migrate_pages, EPERM, -1, 0},
	{SYS_acct, EPERM, -1, 0},
	{SYS_syslog, EPERM, -1, 0},
	{SYS_vhangup, EPERM, -1, 0},
	{SYS_clock_settime, EPERM, -1, 0},
	{SYS_settimeofday, EPERM, -1, 0},
	{SYS_reboot, EPERM, -1, 0},
	{SYS_swapon, EPERM, -1, 0},
	{SYS_swapoff, EPERM, -1, 0},
	{SYS_init_module, EPERM, -1, 0},
	{SYS_finit_module, EPERM, -1, 0},
	{SYS_delete_module, EPERM, -1, 0},
	{SYS_kexec_load, EPERM, -1, 0},
	{SYS_ioperm, EPERM, -1, 0},
	{SYS_iopl, EPERM, -1, 0},
	{0},
};

static const struct rule no_landlock[] = {
	{SYS_landlock_create_ruleset, ENOSYS, -1, 0},
	{SYS_landlock_add_rule, ENOSYS, -1, 0},
	{SYS_landlock_restrict_self, ENOSYS, -1, 0},
	{0},
};

static const struct rule old_notify[] = {
	{SYS_seccomp, EINVAL, 1, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	{0},
};

static const struct {
	const char *name;
	const struct rule *rules;
} modes[] = {{"no-userns", no_userns}, {"docker", docker}, {"no-landlock", no_landlock}, {"old-notify", old_notify}};

static size_t add(struct sock_filter *code, size_t n, const struct rule *r)
{
	const uint32_t number = offsetof(struct seccomp_data, nr);
	const uint32_t low = offsetof(struct seccomp_data, args) + 8 * (uint32_t)r->arg;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, r->arg < 0 ? 1 : 3);
	if (r->arg >= 0) {
		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low);
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, r->bits, 0, 1);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)r->error);
	return n;
}

static int put_over_us(const struct rule *r)
{
	struct sock_filter code[512];
	struct sock_fprog program = {.filter = code};
	size_t n = 0;

	/* Numbers of another architecture would mean other calls: none of the tests makes those. */
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	for (; r->error; r++)
		n = add(code, n, r);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		if (put_over_us(modes[i].rules) < 0) {
			perror("boxed: seccomp");
			return 125;
		}
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		return 127;
	}
	fprintf(stderr, "usage: boxed no-userns|docker|no-landlock|old-notify COMMAND...\n");
	return 2;
}
