#pragma once
/* The pids of a container, whichever of the two ways it has them: what everything in this folder works with. The
 * functions are those of space/space.h and virtual/virtual.h; see there. */
#include <pidspace/pidspace.h>

#include "space/space.h"
#include "virtual/virtual.h"

struct pids {
	enum pidspace_pids kind;
	struct space space;          /* PIDSPACE_SPACE */
	struct virtual_pids virtual; /* PIDSPACE_VIRTUAL */
	int host_proc_fd;            /* the same; the host's /proc */
};

#define PIDS_EMPTY                                                                                                     \
	((struct pids){.space = {.init = TASK_REF_EMPTY, .proc_fd = -1, .pidns_fd = -1, .userns_fd = -1},              \
		       .virtual = VIRTUAL_PIDS_EMPTY, .host_proc_fd = -1})

void pids_done(struct pids *p);

/* Takes over what a spawn or an attach filled in. */
void pids_take_virtual(struct pids *p, const struct virtual_pids *v);

/* vpid 1. */
struct task_ref *pids_init(struct pids *p);

int pids_to_host(const struct pids *p, struct vpid pid, struct hpid *ret);
int pids_to_guest(const struct pids *p, struct hpid pid, struct vpid *ret);
int pids_ref(const struct pids *p, struct vpid pid, struct task_ref *ret);

/* Processes, and threads of one; a space must have been opened with its procfs. -errno. */
int pids_each(const struct pids *p, int (*fn)(void *arg, struct vpid pid), void *arg);
int pids_each_thread(const struct pids *p, struct vpid pid, int (*fn)(void *arg, struct vpid tid), void *arg);

/* tid 0: the process. */
int pids_stat(const struct pids *p, struct vpid pid, struct vpid tid, struct proc_stat *ret);

/* Where files of /proc/PID lie in which there are no pids: dir is for openat(2), borrowed, and number PID there. -ESRCH. */
struct pids_proc {
	int dir;
	pid_t number;
};
int pids_proc(const struct pids *p, struct vpid pid, struct pids_proc *ret);
