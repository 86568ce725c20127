#pragma once
/* What this kernel offers to this caller, found out by trying each thing once in a short-lived child
 * process. Version numbers are never read: distributions carry features back, and a sandbox takes
 * away what the kernel has. A feature that exists but is forbidden here counts as absent.
 *
 * doc/KERNELS.md shows the table of features; a test keeps it equal to the one in probe.c. */
#include <stdbool.h>

enum probe_id {
	PROBE_PIDNS,
	PROBE_USERNS,
	PROBE_TIMENS,
	PROBE_SET_TID,
	PROBE_PIDFD,
	PROBE_PIDFD_EXIT,
	PROBE_NSFS_PID,
	PROBE_NS_PID_MAX,
	PROBE_SEIZE,
	PROBE_RSEQ,
	PROBE_SUSPEND_SECCOMP,
	PROBE_READV,
	PROBE_KCMP,
	PROBE_GETFD,
	PROBE_SET_MM_MAP,
	PROBE_MAP_QUERY,
	PROBE_MAP_FILES,
	PROBE_BPF_ITER,
	PROBE_PAGEMAP_SCAN,
	PROBE_PAGE_GUARD,
	PROBE_WP_ASYNC,
	PROBE_UFFD_EVENTS,
	PROBE_SOFT_DIRTY,
	PROBE_TIMER_IDS,
	PROBE_TIMERFD_TICKS,
	PROBE_OPENAT2,
	PROBE_TCP_PEEK_OFF,
	PROBE_TCP_REPAIR,
	PROBE_CGROUP_FREEZE,
	PROBE_SECCOMP_NOTIFY,
	PROBE_SECCOMP_KILLABLE,
	PROBE_LANDLOCK_SIGNAL,
	PROBE_N,
};

/* One row of the table: what the feature is called, the Linux version that brought it (for people;
 * nothing is decided by it) and what its absence costs. */
struct probe_feature {
	const char *name, *since, *costs;
};
const struct probe_feature *probe_feature(enum probe_id id);

struct probe {
	bool has[PROBE_N];
};

/* Tries everything. Takes some tens of milliseconds; the caller keeps the result. It starts children
 * that are invisible to wait(2) without __WALL and raise no SIGCHLD; nothing of the caller's own
 * state changes. May be called in a program with threads. */
void probe_all(struct probe *ret);

/* Tries one feature. */
bool probe_one(enum probe_id id);
