#pragma once
/* What the programs in tests/boundary/ share.
 *
 * A program is a table of cases. tests/boundary/run starts it as the command of a container, once
 * with --pids=space and once with --pids=virtual: the PID namespace is the reference, the answers are
 * to be the same. Ordinary cases run one after the other, each in a child of pid 1, which is the small
 * init in case.c; before the next one begins, everything else in the container is gone. Cases with
 * .init run as pid 1 itself, in a container of their own, and so do those with other wishes.
 *
 * What stands outside (the runner, and processes it holds there) can be asked for things; see
 * bd_ask(). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

struct bd_case {
	const char *title; /* what it shows, as a sentence */
	void (*run)(void); /* returns: passed */
	bool init;	   /* as pid 1, nothing below it */
	bool terminal;	   /* in a container with -t, in a child of pid 1 */
	bool root;	   /* needs privilege in the container's user namespace: root's only */
	int pid_max;	   /* run --pid-max */
	int ends;	   /* with .init: the status that `pidspace run` must end with; the case does
			    * not return, and it passes if nothing of the container is left */
};

/* Each program has this table; its last row is empty. */
extern const struct bd_case bd_cases[];

_Noreturn void bd_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* This kernel cannot show it. */
_Noreturn void bd_skip(const char *why);

#define BD_FAIL(...) bd_fail(__FILE__, __LINE__, __VA_ARGS__)
#define BD_CHECK(cond) ((cond) ? (void)0 : BD_FAIL("not so: %s (errno %d)", #cond, errno))
#define BD_COMPARE(a, op, b, text)                                                                 \
	({                                                                                         \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (!(a_ op b_))                                                                   \
			BD_FAIL("not so: %s: left %lld (0x%llx), right %lld (0x%llx)", text, a_,   \
				a_, b_, b_);                                                       \
		a_;                                                                                \
	})
#define BD_OP(a, op, b) BD_COMPARE(a, op, b, #a " " #op " " #b)
#define BD_EQ(a, b) BD_COMPARE(a, ==, b, #a " == " #b)
/* A raw call that must succeed; its value. */
#define BD_DO(call)                                                                                \
	({                                                                                         \
		long r_ = (long)(call);                                                            \
		if (r_ < 0 && r_ > -4096)                                                          \
			BD_FAIL("%s: %s", #call, strerror((int)-r_));                              \
		r_;                                                                                \
	})
/* A libc call that must not answer -1; its value. */
#define BD_SYS(call)                                                                               \
	({                                                                                         \
		__typeof__(call) r_ = (call);                                                      \
		if ((intptr_t)r_ == -1)                                                            \
			BD_FAIL("%s: %s", #call, strerror(errno));                                 \
		r_;                                                                                \
	})
/* A raw call that must answer -no. */
#define BD_ERR(call, no)                                                                           \
	({                                                                                         \
		long r_ = (long)(call);                                                            \
		if (r_ != -(no))                                                                   \
			BD_FAIL("%s: %ld (%s), not %s", #call, r_,                                 \
				r_ < 0 && r_ > -4096 ? strerror((int)-r_) : "no error", #no);      \
	})
/* pthread_ and posix_ calls answer an error number. */
#define BD_PT(call)                                                                                \
	({                                                                                         \
		int r_ = (call);                                                                   \
		if (r_)                                                                            \
			BD_FAIL("%s: %s", #call, strerror(r_));                                    \
	})
/* Waits until cond is true, for at most ten seconds. */
#define BD_UNTIL(cond)                                                                             \
	({                                                                                         \
		for (int n_ = 0; !(cond); n_++) {                                                  \
			if (n_ > 5000)                                                             \
				BD_FAIL("never came true: %s", #cond);                             \
			bd_pause_ms(n_ < 20 ? 0 : 2);                                              \
		}                                                                                  \
	})

void bd_pause_ms(int ms);
/* The kind of container: --pids=virtual? Only for the few answers that are documented to differ. */
bool bd_virtual(void);

/* How a set of blocked signals reads: with virtual pids SIGSYS, by which they work, is never blocked, and shows so. */
uint64_t bd_blocked(uint64_t set);

/* --- processes; every number is the container's --- */

/* fork(2), raw. The child runs fn(arg) and exits with 0 when that returns. */
pid_t bd_child(void (*fn)(void *arg), void *arg);
/* A child that waits for signals with their default actions. */
pid_t bd_sleeper(void);
/* Waits for exactly this child and fails unless it exited with 0. */
void bd_reap_ok(pid_t pid);
/* Waits for exactly this child; its status as of wait(2). */
int bd_reap(pid_t pid);
/* Kills and reaps a child. */
void bd_end(pid_t pid);
/* The letter in /proc/PID/stat; 0: no such process. */
char bd_state(pid_t pid);
/* A number in /proc/PID/stat by its place in proc(5): 4 ppid, 5 pgrp, 6 session, 7 tty, 8 tpgid. */
long bd_stat_field(pid_t pid, int field);
/* Waits until it sleeps inside a system call. */
void bd_await_asleep(pid_t pid);
/* Memory that children share with their parent; zero. */
void *bd_shared(size_t size);
/* The value of a line such as "TracerPid:" in /proc/self/status or another file of such lines;
 * points to a static buffer; NULL: no such line. */
const char *bd_line(const char *path, const char *key);
/* All of a file into buf, terminated; the length, or -errno. */
ssize_t bd_slurp(const char *path, char *buf, size_t size);

/* --- the outside --- */

enum { BD_OUTSIDE_MAX = 8 };
/* Host pids that mean nothing in here: a live process of the same user, pid 1 of another container of
 * that user, the host's number of our own pid 1, its parent's, an unused one. Their count. */
int bd_outside(pid_t ret_pids[BD_OUTSIDE_MAX]);
/* For each of them: BD_OUTSIDE_ERR(raw(SYS_kill, outside, 0), ESRCH). */
#define BD_OUTSIDE_ERR(call, no)                                                                   \
	({                                                                                         \
		pid_t all_[BD_OUTSIDE_MAX];                                                        \
		int count_ = bd_outside(all_);                                                     \
		for (int i_ = 0; i_ < count_; i_++) {                                              \
			pid_t outside = all_[i_];                                                  \
			BD_ERR(call, no);                                                          \
		}                                                                                  \
	})
/* Asks the runner, over a unix socket it listens on: "signal VPID SIGNAL" sends one from outside;
 * "pidfd", "proc" and "procpid" hand over a descriptor of the outside's process, of the host's
 * /proc and of that process's directory there; "hello" does nothing. The descriptor, or 0. */
int bd_ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The connection itself. */
int bd_connect(void);
