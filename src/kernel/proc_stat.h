#pragma once
/* /proc/PID/stat and /proc/PID/status, for processes and threads. proc(5); the kernel's writers are
 * fs/proc/array.c do_task_stat() and proc_pid_status().
 *
 * Pids are raw numbers in the PID namespace of the proc mount that proc_fd refers to: with a
 * container's own mount they are vpids, with the host's they are hpids; the caller knows which. A
 * number that does not exist there (the parent of a namespace's init, a session started outside)
 * reads as 0. User and group ids are seen from the user namespace of the one who opened the file.
 *
 * The parsers take NUL-terminated text and answer -EBADMSG for anything that the kernel does not
 * write. The readers answer -ESRCH when the task is gone, at whatever moment it went. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	pid_t pid, ppid, pgid, sid; /* pid is the tid when a thread was read */
	char comm[65];              /* 15 bytes, kernel workers up to 64; any byte but NUL */
	char state;                 /* R S D Z T t I X ... */
	int tty_nr;                 /* device of the controlling terminal, new_encode_dev(); 0: none */
	pid_t tpgid;                /* its foreground process group; -1: no terminal */
	uint64_t flags;             /* PF_* of include/linux/sched.h */
	uint64_t min_flt, maj_flt;
	uint64_t utime_ticks, stime_ticks; /* of sysconf(_SC_CLK_TCK) a second; the whole process
	                                      unless a thread was read */
	int64_t cutime_ticks, cstime_ticks; /* of children waited for */
	long priority, nice, threads;
	uint64_t start_ticks; /* CLOCK_BOOTTIME as it reads in the *reader's* time namespace
	                         (timens_add_boottime_ns() uses current) */
	uint64_t vsize, rss_pages, rss_limit;
	/* Addresses are 0 (or 1 for code) for a reader that may not ptrace the task. */
	uint64_t start_code, end_code, start_stack, start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	int exit_signal; /* -1 for a thread that is not the leader */
	int processor;
	uint32_t rt_priority, policy;
	int exit_code; /* wait status; 0 for a reader that may not ptrace */
};

int proc_stat_parse(const char *text, struct proc_stat *ret);

/* tid 0: the process, else one thread of it. */
int proc_stat_read(int proc_fd, pid_t pid, pid_t tid, struct proc_stat *ret);

/* MAX_PID_NS_LEVEL of include/linux/pid_namespace.h, and the first namespace. */
#define PROC_NS_LEVELS 33

struct proc_status {
	pid_t tgid, pid, ppid, tracer;
	uid_t uid[4]; /* real, effective, saved, filesystem */
	gid_t gid[4];
	gid_t *groups;
	size_t n_groups;
	int umask; /* -1: a zombie has none */
	long threads;
	/* Bit n-1 is signal n. pending: of this thread, shared_pending: of the process. */
	uint64_t pending, shared_pending, blocked, ignored, caught;
	uint64_t cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
	bool no_new_privs;
	int seccomp;         /* 0 none, 1 strict, 2 filter */
	int seccomp_filters; /* how many, -1: not told (before Linux 5.9) */
	/* One number a PID namespace, from the proc mount's own inwards. */
	pid_t nspid[PROC_NS_LEVELS], nspgid[PROC_NS_LEVELS], nssid[PROC_NS_LEVELS];
	size_t n_ns;
};

/* On success proc_status_done() frees what ret holds; on failure there is nothing to free. */
int proc_status_parse(const char *text, struct proc_status *ret);
int proc_status_read(int proc_fd, pid_t pid, pid_t tid, struct proc_status *ret);
void proc_status_done(struct proc_status *s);

/* Reads PID/name, or PID/task/TID/name, into buf and ends it with NUL; a file that is longer is cut.
 * Returns the length without the NUL. Needs no memory of its own, so ten thousand cost little. */
ssize_t proc_read_file(int proc_fd, pid_t pid, pid_t tid, const char *name, char *buf, size_t size);
