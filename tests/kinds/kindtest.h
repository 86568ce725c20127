#pragma once
/* What the programs in tests/kinds/ share.
 *
 * A program sets up a tree, says ready, and blocks until the runner says go; what it verifies then
 * has lived through a checkpoint and a restore, or through nothing at all (mode plain), and must be
 * the same either way. Ready, go and everything the processes of a test tell each other are files
 * in $KT_DIR: no pipe, signal, futex, timer or shared page of ours stands beside those under test.
 *
 * The first process of the program is pid 1 of the container: default actions of signals do not
 * reach it, and orphans become its children. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL

/* --- the course of a test --- */

/* In the first process, once everything is set up. */
void kt_ready_and_wait(void);
/* In any other process of the tree that shall verify something itself: blocks until go. */
void kt_wait_go(void);
_Noreturn void kt_pass(void);
/* This host or user cannot show it. Only before kt_ready_and_wait(). */
_Noreturn void kt_skip(const char *why);
/* An ordinary user is refused this, under this code. */
void kt_user_refused_with(const char *code);
/* Processes come and go all the time: the runner does not compare which there are. */
void kt_tasks_change(void);
/* For programs in refused/: the E_ code that check and checkpoint must answer. */
void kt_refused_with(const char *code);
_Noreturn void kt_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- assertions: print the expression and the values, end the process with status 1 --- */

#define KT_FAIL(...) kt_fail(__FILE__, __LINE__, __VA_ARGS__)
#define KT_CHECK(cond) ((cond) ? (void)0 : KT_FAIL("%s (errno %d)", #cond, errno))
#define KT_COMPARE(a, op, b, text)                                                                 \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (!(a_ op b_))                                                                   \
			KT_FAIL("%s: left %lld (0x%llx), right %lld (0x%llx)", text, a_, a_, b_,   \
				b_);                                                               \
	} while (0)
#define KT_OP(a, op, b) KT_COMPARE(a, op, b, #a " " #op " " #b)
#define KT_EQ(a, b) KT_COMPARE(a, ==, b, #a " == " #b)
#define KT_STR_EQ(a, b)                                                                            \
	do {                                                                                       \
		const char *a_ = (a), *b_ = (b);                                                   \
		if (strcmp(a_, b_))                                                                \
			KT_FAIL("%s is \"%s\", not \"%s\"", #a, a_, b_);                           \
	} while (0)
/* A call that answers -1 and errno when it fails; its value. */
#define KT_SYS(call)                                                                               \
	({                                                                                         \
		__typeof__(call) r_ = (call);                                                      \
		if ((intptr_t)r_ == -1)                                                            \
			KT_FAIL("%s: %s", #call, strerror(errno));                                 \
		r_;                                                                                \
	})
/* A call that must fail with this errno. */
#define KT_ERR(call, no)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		if (r_ != -1 || errno != (no))                                                     \
			KT_FAIL("%s: result %ld, errno %d, not %s", #call, r_, errno, #no);        \
	} while (0)
/* pthread_ calls answer an error number. */
#define KT_PT(call)                                                                                \
	do {                                                                                       \
		int r_ = (call);                                                                   \
		if (r_)                                                                            \
			KT_FAIL("%s: %s", #call, strerror(r_));                                    \
	} while (0)
/* Waits until cond is true, for at most ten seconds. */
#define KT_UNTIL(cond)                                                                             \
	do {                                                                                       \
		int n_ = 0;                                                                        \
		while (!(cond)) {                                                                  \
			if (++n_ > 5000)                                                           \
				KT_FAIL("never came true: %s", #cond);                             \
			kt_pause_ms(2);                                                            \
		}                                                                                  \
	} while (0)

/* --- processes --- */

/* Forks; the child runs fn(arg) and exits with 0 when that returns. */
pid_t kt_child(void (*fn)(void *arg), void *arg);
/* Waits for exactly this child and fails unless it exited with 0. */
void kt_reap_ok(pid_t pid);
/* The letter in /proc/PID/stat: R S D T t Z; 0: no such process. */
char kt_state(pid_t pid);
void kt_await_state(pid_t pid, char state);
/* A number of /proc/PID/stat by its place in proc(5): 4 ppid, 5 pgrp, 6 session, 7 tty, 8 tpgid. */
long kt_stat_field(pid_t pid, int field);
/* Waits until task tid of process pid sleeps in system call nr. */
void kt_await_syscall(pid_t pid, pid_t tid, long nr);
/* Is it asleep in that call, or in restart_syscall(2), which goes on with it? */
bool kt_in_syscall(pid_t pid, pid_t tid, long nr);
pid_t kt_gettid(void);

/* --- telling each other through files in $KT_DIR --- */

/* A path below $KT_DIR, in one of a few static buffers. */
const char *kt_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kt_mark(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool kt_marked(const char *name);
void kt_await(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kt_note(const char *name, long value);
/* Waits for a note. */
long kt_noted(const char *name);

/* --- time and memory --- */

void kt_pause_ms(int ms);
/* Seconds of CLOCK_MONOTONIC, which goes on in a restored container where it stopped. */
double kt_now(void);
/* Fails unless seconds lies in [low, high]. */
void kt_between(const char *what, double seconds, double low, double high);

/* What calls under test are asked to wait, when the checkpoint may come at the earliest, and by how much
 * they may come late: a call that starts all over is late by KT_BEFORE at least. Seconds. */
#define KT_WAIT 2.4
#define KT_BEFORE 1.2
#define KT_LATE 1.0
/* Waits until a test's call that began at this kt_now() has run for KT_BEFORE. */
void kt_until_before(double began);
/* Fails unless the time since began is KT_WAIT. */
void kt_waited(const char *what, double began);

void kt_fill(void *p, size_t len, uint32_t seed);
void kt_check_fill(const char *what, const void *p, size_t len, uint32_t seed);
void *kt_map(size_t len, int prot, int flags);
/* A line of the smaps entry that holds addr, such as "VmFlags:" or "Rss:", what follows the colon. */
const char *kt_smaps(const void *addr, const char *key);
long kt_smaps_kb(const void *addr, const char *key);
/* Does the entry's VmFlags line have this two-letter flag? */
bool kt_vmflag(const void *addr, const char *flag);
