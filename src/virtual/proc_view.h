#pragma once
/* The /proc that a container with virtual pids sees. The kernel's /proc shows every process of the host
 * under its host number; the warden, who stands outside, decides for each path of the container what it
 * names there and hands out what a PID namespace's own procfs would give:
 *
 *   resolve   what does this path name? Follows it as the caller's kernel would, one component at a time,
 *             so it makes no difference which symlink, descriptor, `..` or mount led into /proc
 *   open      a descriptor for it: the kernel's file itself where no pid is in it, else a sealed memfd
 *             with the text rewritten, or a directory of ours that holds the right names ("shadow")
 *   stat, readlink, enter, place: the same for stat(2), readlink(2), chdir(2), getcwd(2)
 *
 * A generated file is a snapshot of the moment it was opened; the kernel's would be read anew after each
 * lseek to 0. Not thread-safe: one view, one thread. Nothing here blocks on the container. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/vec.h"
#include "ids/ids.h"

/* Where the kernel shows traces of virtualization in a task's files; all zero: nothing is hidden. */
struct proc_traces {
	uint64_t caught, ignored, blocked; /* signals (bit n-1) that are so only for our sake */
	int seccomp_filters;               /* how many of its filters are ours */
	bool no_new_privs;                 /* what it set itself */
};

/* The container's pids. Numbers that are not of the container, whether the host has them or not, are
 * -ESRCH both ways; so are numbers of tasks that are gone. Any role: a process group that lives on
 * without its leader still has its number. */
struct pid_view {
	void *arg;
	int (*to_host)(void *arg, struct vpid pid, struct hpid *ret);
	int (*to_guest)(void *arg, struct hpid host, struct vpid *ret);
	/* Calls fn for each process (thread group) in the order of its number until it returns < 0,
	 * which is then the result. */
	int (*each)(void *arg, int (*fn)(void *fn_arg, struct vpid pid, struct hpid host), void *fn_arg);
	/* NULL: SIGSYS is caught for us, one filter is ours, no_new_privs is ours. task is a tid. */
	void (*traces)(void *arg, struct hpid task, struct proc_traces *ret);
	pid_t pid_max, last_pid; /* kept up to date by the owner; /proc/sys/kernel */
	uint64_t hidden_start, hidden_end; /* addresses at which no mapping is shown; 0, 0: none */
};

struct proc_shadow; /* proc_shadow.h */

struct proc_view {
	const struct pid_view *pids; /* not owned */
	int proc_fd;                 /* our own /proc, O_PATH */
	dev_t same[8];               /* file systems that are procfs of our PID namespace; [0]: proc_fd's */
	size_t n_same;
	struct proc_shadow *shadow;
	VEC(struct proc_name { char *name; unsigned char type; }) fixed; /* /proc without the pids */
	uint64_t unknown; /* names met that no rule knows; they do not exist for the container */
	char last_unknown[256];
};

/* Shadow directories go into a fresh directory under the first of the n directories that is a tmpfs and
 * writable, else under the first that is writable. -errno with err set. */
int proc_view_init(struct proc_view *v, const struct pid_view *pids, const char *const *dirs, size_t n,
		   struct pidspace_error *err);
/* Removes the shadow directories. A view that is all zero, or failed to init, is fine. */
void proc_view_done(struct proc_view *v);

/* Who asks: the thread whose system call it is. */
struct proc_caller {
	struct hpid tgid, tid;
};

enum proc_what {
	PROC_ELSEWHERE, /* nothing of /proc is on the way: the caller makes its call as it is */
	PROC_OUTSIDE,   /* a magic link of /proc led out again (/proc/7/cwd/x, /dev/fd/3): the caller makes
			   its call with `path` and AT_FDCWD instead; the path may not exist (yet) */
	PROC_NATIVE,    /* the kernel's own file or directory in /proc, which holds no pid */
	PROC_TEXT,      /* a file whose text is rewritten */
	PROC_LIST,      /* a directory whose names are made by us */
	PROC_LINK,      /* a symbolic link that is not to be followed */
};

#define PROC_PATH_MAX 4096
#define PROC_PLACE_MAX 512

/* A place in /proc in both domains. The paths are relative to /proc and "" for /proc itself. */
struct proc_place {
	enum proc_level {
		PROC_AT_ROOT,
		PROC_AT_TASK,    /* /proc/N: a process, or any thread of it */
		PROC_AT_THREADS, /* /proc/N/task */
		PROC_AT_THREAD,  /* /proc/N/task/N */
		PROC_BELOW,      /* any other name, at whatever depth */
	} level;
	enum proc_level owner;  /* what PROC_BELOW is below: PROC_AT_ROOT, _TASK or _THREAD */
	struct hpid task;       /* the innermost number in the path; 0: none */
	struct vpid pid;        /* the same */
	size_t base;            /* where the part below the owner starts in guest[] */
	size_t host_base;
	char guest[PROC_PLACE_MAX], host[PROC_PLACE_MAX];
	const struct proc_rule *rule; /* of PROC_BELOW */
};

struct proc_answer {
	enum proc_what what;
	int fd; /* O_PATH of the kernel's object, -1 for ELSEWHERE and OUTSIDE; proc_answer_done() */
	struct proc_caller caller;
	struct proc_place place; /* NATIVE, TEXT, LIST, LINK */
	const struct proc_rule *rule; /* TEXT */
	char path[PROC_PATH_MAX]; /* absolute, host numbers: for a call that shows no pid, say access(2),
				     or that the kernel is to refuse, say unlink(2). Not for chdir(2) or
				     stat(2) on a LIST, nor for open(2) but of OUTSIDE */
};

enum {
	PROC_NOFOLLOW = 1 << 0, /* O_NOFOLLOW, AT_SYMLINK_NOFOLLOW, calls on the link itself, O_CREAT|O_EXCL */
	/* openat2(2) RESOLVE_*; what they forbid is -ELOOP or -EXDEV, as there. */
	PROC_NO_XDEV = 1 << 1,
	PROC_NO_MAGICLINKS = 1 << 2,
	PROC_NO_SYMLINKS = 1 << 3,
	PROC_BENEATH = 1 << 4,
	PROC_IN_ROOT = 1 << 5,
};

/* What path names for the caller. dirfd is the caller's own descriptor, or AT_FDCWD; an empty path names
 * dirfd itself. 0, or the errno that the container's own procfs would answer: -ENOENT for a process
 * that is not of the container, -ENOTDIR, -ELOOP, -EACCES, … A caller whose working directory
 * or descriptor we may not look at (undumpable) gets ELSEWHERE. ret needs proc_answer_done() after success. */
int proc_view_resolve(struct proc_view *v, const struct proc_caller *c, int dirfd, const char *path,
		      unsigned flags, struct proc_answer *ret);
void proc_answer_done(struct proc_answer *a);

/* Opens NATIVE, TEXT, LIST or LINK (ELOOP, or O_PATH) with open(2) flags, with no more rights than the
 * caller has. A descriptor (O_CLOEXEC; the caller's), or -errno. */
int proc_view_open(struct proc_view *v, const struct proc_answer *a, int open_flags);

/* stat(2), for LINK lstat(2). The identity (st_dev, st_ino) of a LIST is that of the descriptor
 * which proc_view_open() gives, everything else is the kernel's. */
int proc_view_stat(struct proc_view *v, const struct proc_answer *a, struct stat *ret);

/* readlink(2): the length, at most size, without NUL; -EINVAL unless LINK. */
ssize_t proc_view_readlink(struct proc_view *v, const struct proc_answer *a, char *buf, size_t size);

/* A path that the caller may chdir(2) to, natively: for NATIVE and LIST (-ENOTDIR else). */
int proc_view_enter(struct proc_view *v, const struct proc_answer *a, char *ret, size_t size);

/* What the container calls the place that a descriptor of the caller, or with AT_FDCWD its working
 * directory, refers to: "/proc/7/task". -ENOENT: it is not in /proc, or not the container's. */
int proc_view_place(struct proc_view *v, const struct proc_caller *c, int dirfd, char *ret, size_t size);
