#pragma once
/* PID virtualization: a container whose pids are the kernel's, converted at the user/kernel boundary.
 *
 * No namespace, no privilege: every system call that carries a pid is trapped inside the process that makes it and
 * converted there by the shim (shim/), with the pid map in memory that all of the container share (place.h). The
 * warden (warden.h), parent of vpid 1, does what cannot be done from inside. This header is how everything above
 * reaches such a container. */
#include "ids/task_ref.h"
#include "kernel/proc_stat.h"
#include "virtual/place.h"

struct virtual_pids {
	struct task_ref init;   /* vpid 1; the host's number */
	struct task_ref warden; /* pid 0 of the container: none of its processes */
	struct place place;     /* read only */
	int hold;               /* of a new one: vpid 1 is not reaped before this is closed; -1 */
};

#define VIRTUAL_PIDS_EMPTY                                                                                             \
	((struct virtual_pids){.init = TASK_REF_EMPTY, .warden = TASK_REF_EMPTY, .hold = -1})

struct virtual_options {
	pid_t pid_max;            /* 0: 4194304 */
	/* Runs in a hidden process of the container, a child of vpid 1 that bears no number, before first(): what it
	 * forks are further processes of the container (pidspace exec), with parent 0. When the warden dies (its pidfd, the
	 * process's own, becomes readable) it has to kill everything. NULL: none is made. */
	void (*spawner)(void *arg, int warden);
	void *spawner_arg;
	int log; /* where the warden writes what it has to tell the user (a duplicate is kept); -1: nowhere */
};

/* Makes the warden, a child of the calling process, and vpid 1, a child of the warden's, which runs first(arg) under the
 * filter; first() execs or returns an exit status. Descriptors of the caller are inherited by both, so that first()
 * may use them; the warden closes all that it does not need. Failures before first() come back here and leave
 * nothing behind. E_VIRTUAL: this host cannot (no seccomp notification, no ptrace). */
int virtual_spawn(struct virtual_pids *ret, const struct virtual_options *o, int (*first)(void *arg), void *arg,
		  struct pidspace_error *err);

/* Reaches a running container again. -ESRCH: it is gone, or these are strangers. */
int virtual_attach(struct virtual_pids *ret, struct hpid init, struct hpid warden, struct pidspace_error *err);
void virtual_done(struct virtual_pids *v);

/* Translation, tid role (as any other). -ESRCH: no such task inside, also when its number is a stranger's by now. */
int virtual_to_host(const struct virtual_pids *v, struct vpid pid, struct hpid *ret);
int virtual_to_guest(const struct virtual_pids *v, struct hpid pid, struct vpid *ret);

/* A weak reference to process pid, checked after opening. -ESRCH. */
int virtual_ref(const struct virtual_pids *v, struct vpid pid, struct task_ref *ret);

/* Calls fn(arg, pid) for every process (zombies included), lowest number first, until it returns something else than
 * 0, which comes back. */
int virtual_each(const struct virtual_pids *v, int (*fn)(void *arg, struct vpid pid), void *arg);
/* The same for the threads (tid role) of a process. */
int virtual_each_thread(const struct virtual_pids *v, struct vpid pid, int (*fn)(void *arg, struct vpid tid), void *arg);

/* /proc/PID/stat or of its thread tid (0: the process) with the container's numbers: what is outside reads 0. */
int virtual_stat(const struct virtual_pids *v, struct vpid pid, struct vpid tid, struct proc_stat *ret);

/* Kills whatever is left of it, for when its warden cannot, and returns when all is dead (10 s at most). */
void virtual_kill(const struct virtual_pids *v);

/* Has it ended, everything reaped? Then *ret_status is vpid 1's wait status. */
bool virtual_ended(const struct virtual_pids *v, int *ret_status);
