#pragma once
/* What becomes of each name in /proc. One row a name; the first row that matches counts. A name that no
 * row knows does not exist for the container: a newer kernel's file may hold pids. */
#include <stdio.h>

#include "virtual/proc_view.h"

enum proc_handling {
	PROC_HIDDEN,  /* does not exist */
	PROC_PASS,    /* the kernel's own, and whatever is below it */
	PROC_REWRITE, /* text in which pids are converted */
	PROC_MAGIC,   /* a magic link: it leads to an object, its text is only a description */
	PROC_NAMES,   /* a directory whose names are chosen by proc_list.c */
	PROC_SELF,    /* a link to the caller's own directory */
	PROC_WRITABLE = PROC_REWRITE | 8, /* rewritten when read, the kernel's own when only written */
};

/* What a rewriter works on: text is NUL-terminated and may be changed. */
struct proc_reading {
	const struct pid_view *pids;
	struct hpid task; /* whose file it is; 0: nobody's */
	uint32_t fs_magic; /* statfs(2) f_type of the file */
};

/* 0, -ESRCH (the task is gone), -EBADMSG (not what the kernel writes: nothing is shown) or -ENOMEM. */
typedef int proc_rewriter(const struct proc_reading *r, char *text, FILE *out);

struct proc_rule {
	const char *name; /* below /proc, /proc/N or /proc/N/task/N; `*` is any one component; a name that
			     ends in / stands for itself and everything below */
	unsigned owners;  /* bits of enum proc_level */
	enum proc_handling handling;
	proc_rewriter *rewrite;
};

/* owner is PROC_AT_ROOT, _TASK or _THREAD, name the path below it. NULL: unknown. */
const struct proc_rule *proc_rule_find(enum proc_level owner, const char *name);
/* For the files of list-of-pids kind in cgroup file systems, wherever these are mounted; else NULL. */
const struct proc_rule *proc_rule_cgroup(const char *last_component);

static inline bool proc_rule_rewrites(const struct proc_rule *r)
{
	return (r->handling & 7) == PROC_REWRITE;
}

/* The number of a host task as the container sees it: 0 for one outside; 0 and less stay. */
pid_t proc_guest_number(const struct pid_view *pids, long host);

/* proc_text_task.c */
proc_rewriter proc_text_stat, proc_text_status, proc_text_sched, proc_text_timers, proc_text_children,
	proc_text_syscall;
/* proc_text_maps.c */
proc_rewriter proc_text_maps, proc_text_numa_maps, proc_text_smaps;
/* proc_text_locks.c */
proc_rewriter proc_text_locks, proc_text_fdinfo;
/* proc_text_tables.c */
proc_rewriter proc_text_loadavg, proc_text_pid_max, proc_text_last_pid, proc_text_nobody, proc_text_shm,
	proc_text_msg, proc_text_netlink, proc_text_flowlabel, proc_text_nfqueue, proc_text_pid_list;
