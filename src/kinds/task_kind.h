#pragma once
/* Kinds of state that belong to a task rather than to a descriptor: one file each in kinds/task_*.c.
 *
 * Saving: the task is stopped. ask() adds calls to the batch that will run inside it (and may read
 * what is visible from outside); take() moves the answers into the messages. Everything of one task
 * is one batch, so a kind costs no round trip of its own.
 *
 * Restoring: early() runs in a new process before its children are cloned, so that they inherit; late() runs
 * in every thread once all tasks, descriptors and memory are there. A process's first live thread is
 * its leader for this purpose: kinds of the whole process act on it alone. */
#include "address_space.pb-c.h"
#include "kernel/proc_stat.h"
#include "process.pb-c.h"
#include "space/space.h"
#include "tracee/batch.h"
#include "tracee/frozen_task.h"

struct task_question { /* what ask() remembers for take(): data tokens and call indexes */
	size_t actions, itimers, subreaper, altstack, tid_address, pdeath, timers, limits, cwd, root, auxv;
	int dumpable, securebits, thp, brk, first_timer, slack, personality, getcwd, statx, get_auxv;
	size_t n_timers;
};

struct task_view {
	struct frozen_task *k;
	const struct space *space;
	const struct proc_stat *stat;
	const struct proc_status *status;
	char *timers;              /* /proc/PID/timers, NULL: not told; ask() may change the text */
	Process *process;
	Thread *thread;
	bool first;                /* the process-wide state is asked of and restored in this thread */
	struct task_question q;
};

struct task_kind {
	const char *name;
	void (*ask)(struct task_view *v, struct batch *b);
	int (*take)(struct task_view *v, const struct batch *b, struct pidspace_error *err);
};

extern const struct task_kind *const task_kinds[]; /* NULL at the end */

/* What take() learns of a stopped thread without asking it: its schedule, robust list, rseq area. -ENOMEM. */
int task_outside_take(Thread *th, struct hpid tid);

/* Restore side, called by checkpoint/ in this order (see restore_tasks.c). t is a newborn. */
void task_signals_early(const Process *p, struct batch *b);
void task_signals_late(const Process *p, const Thread *th, bool first, struct batch *b);
void task_timers_late(const Process *p, struct batch *b);
void task_memory_words_late(const Thread *th, struct batch *b); /* rseq, robust list, tid address */
int task_schedule_late(const Thread *th, struct hpid tid, struct pidspace_error *err);
int task_limits_late(const Process *p, struct hpid pid, struct pidspace_error *err);
void task_process_late(const Process *p, struct batch *b);      /* subreaper, umask, cwd, root, personality */
void task_credentials_late(const Process *p, const Thread *th, bool first, struct batch *b);
