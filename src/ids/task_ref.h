#pragma once
/* A weak reference to a process, the mail's "weak task reference".
 *
 * States: *empty* (pidfd -1), *live* (the process exists or is an unreaped zombie), *expired* (it
 * is gone and reaped). A reference never keeps the task alive and never changes what it refers to:
 * the kernel binds the pidfd to the process, not to the number, so a recycled number cannot be
 * reached through it. Every use of an expired reference answers -ESRCH.
 *
 * Ownership: task_ref_open fills a caller-owned struct; task_ref_done releases it (empty is fine). */
#include "ids/ids.h"

struct task_ref {
	int pidfd; /* O_CLOEXEC */
	struct hpid host;
	struct vpid pid;
};

#define TASK_REF_EMPTY ((struct task_ref){.pidfd = -1})

/* Refers to the process host (tgid role), known inside as pid. -ESRCH: no such process. pidfd_open(2). */
int task_ref_open(struct task_ref *ret, struct hpid host, struct vpid pid);

/* Takes over an already open pidfd. */
void task_ref_take(struct task_ref *ret, int pidfd, struct hpid host, struct vpid pid);

void task_ref_done(struct task_ref *ref);

/* pidfd_send_signal(2). -ESRCH when expired (a zombie counts as live), -EPERM. */
int task_ref_kill(const struct task_ref *ref, int sig);

/* 1 while the process has not exited, 0 once it has (zombie or gone). poll(2) on the pidfd. */
int task_ref_alive(const struct task_ref *ref);

/* Waits until the process exits, at most timeout_ms (-1: no limit). 0, or -ETIMEDOUT. */
int task_ref_wait_exit(const struct task_ref *ref, int timeout_ms);

/* The wait status (as wait4 gives it) of a process that has exited, without reaping it and even when
 * someone else reaped it: PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15. -ENODATA where the
 * kernel does not tell. */
int task_ref_exit_status(const struct task_ref *ref, int *ret_wait_status);
