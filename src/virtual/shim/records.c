/* Descriptors whose records carry pids and are read by plain read(2): signalfd. read(2) is far too common to be trapped in
 * every process; one that makes such a descriptor gets a further filter, under which its reads are, and those of its
 * descendants, who may inherit the descriptor. */
#include "virtual/shim/trap.h"

#include <linux/audit.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define RECORD 128 /* struct signalfd_siginfo */
#define CODE_AT 8
#define PID_AT 12

static long trap_reads(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_read, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_readv, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_preadv2, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SHIM_GATE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | SHIM_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(SHIM_GATE >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | SHIM_TRAP),
	};
	struct {
		unsigned short len;
		struct sock_filter *filter;
	} p = {sizeof f / sizeof *f, f};
	/* Other threads have the descriptor too. */
	long r = CALL3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &p);

	return r == 0 ? 0 : CALL3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
}

SPECIAL(records_begin)
{
	int self = ids_self();
	long fd = trap_native(t);

	if (fd < 0 || (t->nr != __NR_signalfd && t->nr != __NR_signalfd4) || (ids_flags(self) & TASK_RECORDS))
		return fd;
	if (trap_reads() < 0) {
		CALL1(__NR_close, fd);
		return -ENOMEM;
	}
	ids_set_flags(self, TASK_RECORDS, 0);
	return fd;
}

static bool is_signalfd(int fd)
{
	static const char want[] = "anon_inode:[signalfd]";
	char path[] = "/proc/self/fd/0000000000", text[sizeof want];
	int at = sizeof "/proc/self/fd/" - 1, n = 0;
	char digits[12];

	do
		digits[n++] = (char)('0' + fd % 10);
	while ((fd /= 10) > 0);
	while (n)
		path[at++] = digits[--n];
	path[at] = 0;
	if (CALL4(__NR_readlinkat, AT_FDCWD, path, text, sizeof text) != sizeof want - 1)
		return false;
	for (unsigned i = 0; i < sizeof want - 1; i++)
		if (text[i] != want[i])
			return false;
	return true;
}

static void translate(char *record)
{
	int code = *(int *)(record + CODE_AT), signo = *(int *)record, *pid = (int *)(record + PID_AT);

	if (ids_info_has_pid(signo, code))
		*pid = ids_sender(*pid);
}

long records_read(struct trap *t)
{
	struct vector {
		char *base;
		unsigned long len;
	} one = {(char *)t->arg[1], (unsigned long)t->arg[2]}, *v = t->nr == __NR_read ? &one : (struct vector *)t->arg[1];
	long n = trap_native(t), left = n;

	if (n <= 0 || n % RECORD || !is_signalfd((int)t->arg[0]))
		return n;
	/* Records that a vector cuts in two come with the host's numbers: nobody reads them so. */
	for (; left > 0; v++)
		for (unsigned long at = 0; at < v->len && left > 0; at += RECORD, left -= RECORD)
			if (at + RECORD <= v->len)
				translate(v->base + at);
	return n;
}
