#pragma once
/* What the kernel keeps of each process of a container, copied by BPF out of its own structures (kernel/bpf_walk.h) while
 * everything stands still. Nothing of it is understood here, and addresses in the kernel are part of it: it is good for
 * one question only, whether two processes are the same in what a part holds. What answers depend on
 * which part is said at each. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum twin_part {
	TWIN_QUIET,   /* all zero: nothing is pending, and no timer runs */
	TWIN_PROCESS, /* what a process answers about itself: task_kinds (but for the memory words and the schedule), the links and
	               * namespaces of /proc/PID, status, coredump_filter, oom_score_adj */
	TWIN_HEAD,    /* what names of mappings depend on beside the mapping: where heap and stack are */
	TWIN_FDS,     /* descriptor table, if fits_fds */
	TWIN_LOCKS,   /* not zero: a file that is open here has had locks or leases, of whomever */
	TWIN_PARTS
};

#define TWIN_FDS_MAX 64 /* of the smallest table there is, and of a word */

struct twin_record {
	pid_t pid;                        /* in the PID namespace that was asked for */
	uint64_t mm, files, fs, sighand;  /* addresses: equal means shared */
	bool fits_fds;                    /* no descriptor above TWIN_FDS_MAX is open */
	uint64_t cloexec;                 /* bit n: descriptor n is open and has it */
	const uint8_t *part[TWIN_PARTS];
	uint32_t len[TWIN_PARTS];         /* the same in every record */
};

/* One mapping: everything that /proc/PID/smaps tells of it, apart from counts, depends on these bytes and TWIN_HEAD. The
 * mappings of a process come one after the other, in order. */
struct twin_mapping {
	pid_t pid;
	const uint8_t *bytes;
	uint32_t len;
};

struct twin_calls {
	void *arg;
	int (*process)(void *arg, const struct twin_record *r);
	int (*mapping)(void *arg, const struct twin_mapping *m); /* from another thread than process() */
};

/* Reads all processes that live in the PID namespace with this inode, not those of namespaces below. -errno: this kernel does not
 * let us, or has structures that are not known here. */
int twin_records_read(ino_t pidns, const struct twin_calls *calls);
