/* Descriptors whose records carry pids and are read by plain read(2): signalfd, fanotify, userfaultfd. read(2) is far too common to be trapped in
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

static bool reads_are_trapped(void)
{
	int self = ids_self();

	if (ids_flags(self) & TASK_RECORDS)
		return true;
	if (trap_reads() < 0)
		return false;
	ids_set_flags(self, TASK_RECORDS, 0);
	return true;
}

SPECIAL(records_begin)
{
	long fd = trap_native(t);

	if (fd < 0 || reads_are_trapped())
		return fd;
	CALL1(__NR_close, fd);
	return -ENOMEM;
}

#define FEATURE_THREAD_ID (1u << 8) /* UFFD_FEATURE_THREAD_ID, linux/userfaultfd.h */

/* UFFDIO_API: only where threads shall be told do records of page faults carry any. */
SPECIAL(records_threads)
{
	struct {
		uint64_t api, features, ioctls;
	} a;
	void *theirs = (void *)t->arg[2];
	bool threads;
	long e;

	if (!guest_readable(theirs, sizeof a))
		return trap_native(t);
	__builtin_memcpy(&a, theirs, sizeof a);
	threads = a.features & FEATURE_THREAD_ID;
	if (threads && !reads_are_trapped())
		return -ENOMEM;
	t->arg[2] = (long)&a;
	e = trap_native(t);
	return guest_write(theirs, &a, sizeof a) ? e : -EFAULT;
}

enum kind { OTHER, SIGNALFD, FANOTIFY, USERFAULTFD };

static bool is_word(const char *text, long n, const char *word)
{
	if (n != (long)__builtin_strlen(word))
		return false;
	for (long i = 0; i < n; i++)
		if (text[i] != word[i])
			return false;
	return true;
}

static enum kind kind_of(int fd)
{
	char path[] = "/proc/self/fd/0000000000", text[32];
	int at = sizeof "/proc/self/fd/" - 1, n = 0;
	char digits[12];
	long len;

	do
		digits[n++] = (char)('0' + fd % 10);
	while ((fd /= 10) > 0);
	while (n)
		path[at++] = digits[--n];
	path[at] = 0;
	len = CALL4(__NR_readlinkat, AT_FDCWD, path, text, sizeof text);
	return is_word(text, len, "anon_inode:[signalfd]") ? SIGNALFD :
	       is_word(text, len, "anon_inode:[fanotify]") ? FANOTIFY :
	       is_word(text, len, "anon_inode:[userfaultfd]") ? USERFAULTFD : OTHER;
}

static void translate(char *record)
{
	int code = *(int *)(record + CODE_AT), signo = *(int *)record, *pid = (int *)(record + PID_AT);

	if (ids_info_has_pid(signo, code))
		*pid = ids_sender(*pid);
}

/* struct fanotify_event_metadata: its length first, the pid at 20 (fanotify(7)). */
static void translate_events(char *at, long left)
{
	while (left >= 24) {
		uint32_t len = *(uint32_t *)at;
		if (len < 24 || len > (unsigned long)left)
			return;
		*(int *)(at + 20) = ids_guest(*(int *)(at + 20));
		at += len;
		left -= len;
	}
}

/* struct uffd_msg: the event first, of a page fault the thread at 24; 0 where it was not asked for. */
static void translate_faults(char *at, long left)
{
	for (; left >= 32; at += 32, left -= 32)
		if (*at == 0x12 /* UFFD_EVENT_PAGEFAULT */)
			*(int *)(at + 24) = ids_guest(*(int *)(at + 24));
}

long records_read(struct trap *t)
{
	struct vector {
		char *base;
		unsigned long len;
	} one = {(char *)t->arg[1], (unsigned long)t->arg[2]}, *v = t->nr == __NR_read ? &one : (struct vector *)t->arg[1];
	long n = trap_native(t), left = n;
	enum kind kind = n >= 24 ? kind_of((int)t->arg[0]) : OTHER;

	if (kind == FANOTIFY && t->nr == __NR_read)
		translate_events(one.base, n);
	if (kind == USERFAULTFD && t->nr == __NR_read)
		translate_faults(one.base, n);
	if (kind != SIGNALFD)
		return n;
	/* Records that a vector cuts in two come with the host's numbers: nobody reads them so. */
	for (; left > 0; v++)
		for (unsigned long at = 0; at < v->len && left > 0; at += RECORD, left -= RECORD)
			if (at + RECORD <= v->len)
				translate(v->base + at);
	return n;
}
