/* A reference never reaches another process that got the same number, however often numbers go round.
 *
 * Everything happens in a PID namespace of its own, where a number can be given again at will. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ids/task_ref.h"
#include "kernel/sys.h"

#define NUMBER 300

/* A sleeping child with the number NUMBER. */
static pid_t sleeper(void)
{
	pid_t want = NUMBER;
	struct sys_clone_args a = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&want,
		.set_tid_size = 1,
	};
	pid_t pid = sys_clone3(&a);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Runs fn as process 1 of a new PID namespace: 0 if it returned 0, else the line it returned. */
static int inside(int (*fn)(void))
{
	int status;
	pid_t outer = fork();
	if (outer == 0) {
		if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWPID | CLONE_NEWUSER) < 0)
			_exit(77);
		pid_t first = fork();
		if (first == 0) {
			int line = fn();
			_exit(line == 0 ? 0 : line % 70 + 1);
		}
		waitpid(first, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 78);
	}
	waitpid(outer, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 79;
}

#define NEED(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			return __LINE__;                                                           \
		}                                                                                  \
	} while (0)

static int recycled(void)
{
	for (int round = 0; round < 50; round++) {
		struct task_ref ref;
		pid_t first = sleeper();
		NEED(first == NUMBER);
		NEED(task_ref_open(&ref, hpid_of(first), vpid_of(first)) == 0);
		NEED(task_ref_alive(&ref) == 1);
		NEED(task_ref_wait_exit(&ref, 0) == -ETIMEDOUT);
		end(first);

		pid_t stranger = sleeper();
		NEED(stranger == NUMBER);
		NEED(task_ref_alive(&ref) == 0);
		NEED(task_ref_kill(&ref, SIGKILL) == -ESRCH);
		NEED(task_ref_kill(&ref, 0) == -ESRCH);
		NEED(task_ref_wait_exit(&ref, 0) == 0);
		NEED(waitpid(stranger, NULL, WNOHANG) == 0); /* it lives */
		task_ref_done(&ref);
		end(stranger);
	}
	return 0;
}

static void a_recycled_number_is_never_reached(void **state)
{
	int line = inside(recycled);
	if (line == 77)
		skip(); /* no PID namespace to be had here */
	assert_int_equal(line, 0);
}

static int zombie(void)
{
	struct task_ref ref;
	pid_t pid = sleeper();
	NEED(task_ref_open(&ref, hpid_of(pid), vpid_of(pid)) == 0);
	kill(pid, SIGKILL);
	NEED(task_ref_wait_exit(&ref, 10000) == 0);
	NEED(task_ref_alive(&ref) == 0);
	NEED(task_ref_kill(&ref, 0) == 0); /* not reaped: the number is still its own */
	int status;
	NEED(waitpid(pid, &status, 0) == pid);
	NEED(task_ref_kill(&ref, 0) == -ESRCH);
	int told = 0;
	int r = task_ref_exit_status(&ref, &told);
	NEED(r == -ENODATA || (r == 0 && told == status));
	task_ref_done(&ref);
	return 0;
}

static void a_zombie_counts_as_there_until_it_is_reaped(void **state)
{
	int line = inside(zombie);
	if (line == 77)
		skip();
	assert_int_equal(line, 0);
}

static void an_empty_reference_reaches_nobody(void **state)
{
	struct task_ref ref = TASK_REF_EMPTY;
	int status;
	assert_int_equal(task_ref_kill(&ref, SIGKILL), -ESRCH);
	assert_int_equal(task_ref_alive(&ref), 0);
	assert_int_equal(task_ref_exit_status(&ref, &status), -ESRCH);
	task_ref_done(&ref);
	task_ref_done(&ref);
}

static void opening_a_number_that_nobody_has_fails(void **state)
{
	struct task_ref ref;
	assert_int_equal(task_ref_open(&ref, hpid_of(0x3fffff), vpid_of(1)), -ESRCH);
	assert_int_equal(task_ref_open(&ref, hpid_of(-1), vpid_of(1)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recycled_number_is_never_reached),
		cmocka_unit_test(a_zombie_counts_as_there_until_it_is_reaped),
		cmocka_unit_test(an_empty_reference_reaches_nobody),
		cmocka_unit_test(opening_a_number_that_nobody_has_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
