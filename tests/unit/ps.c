/* What pidspace_ps says of a container is true on both sides, while its processes come and go.
 *
 *   1 "in ) it"          started 10,000 s of boot time later by its own clock
 *   |- 2 threads         one more thread
 *   |- 3 zombie
 *   |- 4 churn           forks and reaps without end
 *   `- 5 in session 5                                                                           */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "container/registry.h"

struct fixture {
	char dir[64];
	struct pidspace *registry;
	struct entry *entry;
	struct space space;
	int ready[2];
};

static void *pause_forever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void churn(void)
{
	for (;;) {
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

/* Whatever takes further numbers waits until the tree has its own. */
static void wait_for_5(void)
{
	while (kill(5, 0) < 0)
		sched_yield();
}

static int tree(void *arg)
{
	struct fixture *f = arg;
	pthread_t t;
	siginfo_t si;
	char byte = 0;

	prctl(PR_SET_DUMPABLE, 1); /* entering a user namespace took it away, exec would give it back */
	prctl(PR_SET_NAME, "in ) it");
	if (fork() == 0) {
		wait_for_5();
		if (pthread_create(&t, NULL, pause_forever, NULL) || write(f->ready[1], &byte, 1) != 1)
			return 1;
		pause_forever(NULL);
	}
	pid_t zombie = fork();
	if (zombie == 0)
		_exit(0);
	if (fork() == 0) {
		wait_for_5();
		churn();
	}
	if (fork() == 0) {
		setsid();
		pause_forever(NULL);
	}
	waitid(P_PID, (id_t)zombie, &si, WEXITED | WNOWAIT);
	while (getsid(5) != 5)
		sched_yield();
	if (write(f->ready[1], &byte, 1) != 1)
		return 1;
	pause_forever(NULL);
	return 0;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct space_options o = {.new_user = geteuid() != 0, .set_clocks = true};
	struct pidspace_error err = {0};
	char byte;

	*state = f;
	strcpy(f->dir, "/tmp/pidspace-unit-ps.XXXXXX");
	o.monotonic_ns = now_ns(CLOCK_MONOTONIC);
	o.boottime_ns = now_ns(CLOCK_BOOTTIME) + 10000000000000;
	if (!mkdtemp(f->dir) || pidspace_open(&f->registry, f->dir, &err) < 0 ||
	    entry_create(f->registry, "here", &f->entry, &err) < 0 || pipe2(f->ready, O_CLOEXEC) < 0 ||
	    space_spawn(&f->space, &o, tree, f, &err) < 0 ||
	    entry_identify(f->entry, f->space.init.host, hpid_of(0), &err) < 0 || entry_save(f->entry, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return -1;
	}
	f->entry->record.state = PIDSPACE_RUNNING;
	close(f->ready[1]);
	return read(f->ready[0], &byte, 1) == 1 && read(f->ready[0], &byte, 1) == 1 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	task_ref_kill(&f->space.init, SIGKILL);
	waitpid(f->space.init.host.n, NULL, 0);
	space_done(&f->space);
	entry_remove(f->entry);
	entry_free(f->entry);
	pidspace_close(f->registry);
	close(f->ready[0]);
	rmdir(f->dir);
	free(f);
	return 0;
}

static const struct pidspace_task *find(const struct pidspace_task *tasks, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (tasks[i].pid == pid)
			return &tasks[i];
	fail_msg("no process %d", pid);
	return NULL;
}

static void shows_each_process_as_it_is(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ struct pidspace_task *tasks = NULL;
	const struct pidspace_task *t;
	size_t n;

	assert_int_equal(pidspace_ps(f->registry, "here", false, &tasks, &n, NULL), 0);
	assert_true(n >= 5);
	for (size_t i = 1; i < n; i++)
		assert_true(tasks[i - 1].pid < tasks[i].pid);
	t = find(tasks, n, 1);
	assert_string_equal(t->comm, "in ) it");
	assert_string_equal(t->container, "here");
	assert_int_equal(t->host_pid, f->space.init.host.n);
	assert_int_equal(t->ppid, 0);
	assert_true(t->rss_bytes > 4096 && t->rss_bytes < 1 << 30);
	assert_int_equal(t->uid, geteuid());
	assert_true(strstr(t->command, "ps"));
	t = find(tasks, n, 2);
	assert_int_equal(t->ppid, 1);
	assert_int_equal(t->threads, 2);
	assert_int_equal(t->tgid, 2);
	t = find(tasks, n, 3);
	assert_int_equal(t->state, 'Z');
	assert_string_equal(t->command, "[in ) it]");
	t = find(tasks, n, 5);
	assert_int_equal(t->sid, 5);
	assert_int_equal(t->pgid, 5);
}

/* The container's boot time clock is far ahead of ours; when a process started is not. */
static void start_time_is_the_real_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ struct pidspace_task *tasks = NULL;
	int64_t off;
	size_t n;

	assert_int_equal(pidspace_ps(f->registry, "here", false, &tasks, &n, NULL), 0);
	off = now_ns(CLOCK_REALTIME) - find(tasks, n, 1)->start_ns;
	assert_true(off > -2000000000LL && off < 300000000000LL);
}

static void shows_threads(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ struct pidspace_task *tasks = NULL;
	size_t n, of_2 = 0;

	assert_int_equal(pidspace_ps(f->registry, "here", true, &tasks, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		if (tasks[i].tgid == 2) {
			of_2++;
			assert_true(tasks[i].host_pid > 0);
			assert_int_equal(tasks[i].ppid, 1);
		}
	assert_int_equal(of_2, 2);
}

static void those_that_vanish_are_left_out(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 40; i++) {
		_cleanup_free_ struct pidspace_task *tasks = NULL;
		struct pidspace_error err = {0};
		size_t n;
		if (pidspace_ps(f->registry, "here", i % 2, &tasks, &n, &err) < 0)
			fail_msg("%s", err.message);
		find(tasks, n, 5);
	}
}

static void pids_translate_both_ways(void **state)
{
	struct fixture *f = *state;
	struct pidspace_error err = {0};
	_cleanup_free_ char *name = NULL;
	pid_t host = 0, pid = 0;

	assert_int_equal(pidspace_host_pid(f->registry, "here", 5, &host, NULL), 0);
	assert_int_equal(pidspace_guest_pid(f->registry, host, &name, &pid, NULL), 0);
	assert_int_equal(pid, 5);
	assert_string_equal(name, "here");
	assert_int_equal(pidspace_host_pid(f->registry, "here", 4194300, &host, &err), -ESRCH);
	assert_string_equal(err.code, "E_NO_SUCH_PID");
	free(name);
	name = NULL;
	assert_int_equal(pidspace_guest_pid(f->registry, getpid(), &name, &pid, &err), -ESRCH);
	assert_string_equal(err.code, "E_NO_SUCH_PID");
	assert_int_equal(pidspace_host_pid(f->registry, "there", 5, &host, &err), -ENOENT);
	assert_string_equal(err.code, "E_NO_CONTAINER");
}

static void one_that_has_ended_has_no_processes(void **state)
{
	struct fixture *f = *state;
	struct pidspace_error err = {0};
	struct pidspace_task *tasks;
	char *name;
	size_t n;
	pid_t pid;

	task_ref_kill(&f->space.init, SIGKILL);
	assert_int_equal(waitpid(f->space.init.host.n, NULL, 0), f->space.init.host.n);
	assert_int_equal(pidspace_ps(f->registry, "here", false, &tasks, &n, &err), -ESRCH);
	assert_string_equal(err.code, "E_STOPPED");
	assert_int_equal(pidspace_host_pid(f->registry, "here", 1, &pid, &err), -ESRCH);
	assert_int_equal(pidspace_guest_pid(f->registry, f->space.init.host.n, &name, &pid, &err), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_each_process_as_it_is),
		cmocka_unit_test(start_time_is_the_real_one),
		cmocka_unit_test(shows_threads),
		cmocka_unit_test(those_that_vanish_are_left_out),
		cmocka_unit_test(pids_translate_both_ways),
		cmocka_unit_test(one_that_has_ended_has_no_processes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
