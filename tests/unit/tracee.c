/* tracee: working inside a living task leaves no trace, also when the tracer dies in the middle. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/proc_maps.h"
#include "tracee/batch.h"

static struct shared {
	volatile int go, answer, answered;
} *shared;

/* The task that is worked in: waits on a pipe, and says what read(2) answered. */
static pid_t start_reader(int *ret_write)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	pid_t pid = fork();
	if (pid == 0) {
		char c = 0;
		shared->go = 1;
		ssize_t n = read(p[0], &c, 1);
		shared->answer = n < 0 ? -errno : c;
		shared->answered = 1;
		_exit(0);
	}
	close(p[0]);
	*ret_write = p[1];
	while (!shared->go)
		sched_yield();
	return pid;
}

static uint64_t vdso_of(pid_t pid)
{
	char path[32];
	struct proc_maps maps;
	uint64_t at = 0;

	snprintf(path, sizeof path, "/proc/%d/smaps", pid);
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);
	assert_true(f && fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	assert_int_equal(proc_maps_parse(text, &maps), 0);
	vec_each(m, &maps.map)
		if (!strcmp(m->name, "[vdso]"))
			at = m->start;
	proc_maps_done(&maps);
	return at;
}

static void stop(struct tracee *t, pid_t pid)
{
	struct timespec ms = {.tv_nsec = 1000000};

	assert_int_equal(tracee_seize(t, hpid_of(pid), hpid_of(pid), 0), 0);
	assert_int_equal(tracee_interrupt(t), 0);
	for (int i = 0; i < 5000 && !tracee_poll_stop(t); i++)
		nanosleep(&ms, NULL);
	assert_int_equal(t->state, TRACEE_STOPPED);
	t->vdso = vdso_of(pid);
	t->done_signal = SIGURG;
	t->stack_below = true;
}

static void ends_well(pid_t pid, int fd)
{
	int status;

	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(shared->answer, 'x');
	close(fd);
}

static void batch_passes_results_on_and_returns_data(void **state)
{
	struct tracee t;
	struct batch b = {};
	uint64_t scratch;
	int fd;
	pid_t pid = start_reader(&fd);

	stop(&t, pid);
	assert_int_equal(scratch_map(&t, SCRATCH_CODE + SCRATCH_SLOT, &scratch, NULL), 0);
	size_t path = batch_str(&b, "/proc/self/comm"), out = batch_out(&b, 16);
	int open = BATCH_CALL(&b, "open", SYS_openat, AT_FDCWD, BATCH_DATA(path), 0, 0);
	int read = BATCH_CALL(&b, "read", SYS_read, 0, BATCH_DATA(out), 16);
	batch_use(&b, read, 0, open);
	batch_use(&b, BATCH_CALL(&b, "close", SYS_close, 0), 0, open);
	int self = BATCH_CALL(&b, "getpid", SYS_getpid, 0);
	assert_int_equal(batch_run(&t, &b, NULL), 0);
	assert_int_equal(batch_result(&b, self), pid);
	assert_memory_equal(batch_bytes(&b, out), "tracee", 6);
	batch_done(&b);
	assert_int_equal(scratch_unmap(&t, scratch, SCRATCH_CODE + SCRATCH_SLOT, NULL), 0);
	tracee_release(&t);
	ends_well(pid, fd);
}

static void failing_call_ends_the_batch_and_names_itself(void **state)
{
	struct pidspace_error err;
	struct tracee t;
	struct batch b = {};
	uint64_t scratch;
	int fd;
	pid_t pid = start_reader(&fd);

	stop(&t, pid);
	assert_int_equal(scratch_map(&t, SCRATCH_CODE + SCRATCH_SLOT, &scratch, NULL), 0);
	batch_may_fail(&b, BATCH_CALL(&b, "excused", SYS_close, 9999));
	BATCH_CALL(&b, "close of nothing", SYS_close, 9999);
	int after = BATCH_CALL(&b, "never", SYS_getpid, 0);
	assert_int_equal(batch_run(&t, &b, &err), -EBADF);
	assert_non_null(strstr(err.message, "close of nothing"));
	assert_int_not_equal(batch_result(&b, after), pid);
	batch_done(&b);
	scratch_unmap(&t, scratch, SCRATCH_CODE + SCRATCH_SLOT, NULL);
	tracee_release(&t);
	ends_well(pid, fd);
}

static void batch_larger_than_its_slot_goes_in_rounds(void **state)
{
	struct tracee t;
	struct batch b = {};
	uint64_t scratch;
	int fd, first, last = 0;
	pid_t pid = start_reader(&fd);

	stop(&t, pid);
	assert_int_equal(scratch_map(&t, SCRATCH_CODE + SCRATCH_SLOT, &scratch, NULL), 0);
	first = BATCH_CALL(&b, "dup", SYS_dup, 0);
	for (int i = 0; i < 3000; i++)
		last = BATCH_CALL(&b, "getpid", SYS_getpid, 0);
	int close = BATCH_CALL(&b, "close", SYS_close, 0);
	batch_use(&b, close, 0, first);
	assert_int_equal(batch_run(&t, &b, NULL), 0);
	assert_int_equal(batch_result(&b, last), pid);
	assert_int_equal(batch_result(&b, close), 0);
	batch_done(&b);
	scratch_unmap(&t, scratch, SCRATCH_CODE + SCRATCH_SLOT, NULL);
	tracee_release(&t);
	ends_well(pid, fd);
}

/* A tracer in a process of its own dies right after it has let the stub run: nobody takes the signal, and
 * the task falls into its signal frame and back into read(2). */
static void task_goes_home_when_its_tracer_dies(void **state)
{
	int fd, status;
	pid_t pid = start_reader(&fd), tracer = fork();

	if (tracer == 0) {
		struct tracee t;
		struct batch b = {};
		uint64_t scratch;
		stop(&t, pid);
		if (scratch_map(&t, SCRATCH_CODE + SCRATCH_SLOT, &scratch, NULL) < 0)
			_exit(1);
		for (int i = 0; i < 200; i++)
			BATCH_CALL(&b, "getpid", SYS_getpid, 0);
		if (batch_start(&t, &b, NULL) < 0)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(tracer, &status, 0), tracer);
	assert_int_equal(status, 0);
	assert_false(shared->answered);
	ends_well(pid, fd);
}

/* Is it in call nr, within 10 s? */
static bool sleeps_in(pid_t pid, long nr)
{
	char path[32], line[256];
	struct timespec now, end;
	long in = -1;

	snprintf(path, sizeof path, "/proc/%d/syscall", pid);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 10;
	do { /* "running" while it is not in a call */
		FILE *f = fopen(path, "re");
		if (f && fgets(line, sizeof line, f) && sscanf(line, "%ld ", &in) != 1)
			in = -1;
		if (f)
			fclose(f);
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (in != nr && now.tv_sec < end.tv_sec);
	return in == nr;
}

/* After a stop that nobody worked in the kernel goes on with restart_syscall(2), whose memory of the call the next
 * batch makes it forget. */
static void restarted_call_is_known_behind_syscall_3(void **state)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct timespec t = {.tv_sec = 60};
		int word = 0;
		syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, &t, NULL, 0);
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		struct tracee t = {.tgid = {pid}};
		assert_true(sleeps_in(pid, i ? SYS_restart_syscall : SYS_futex));
		stop(&t, pid);
		struct user_regs_struct r = t.regs;
		assert_int_equal(r.orig_rax, i ? SYS_restart_syscall : SYS_futex);
		assert_true(tracee_cut_short(&t, &r));
		assert_int_equal(r.orig_rax, SYS_futex);
		tracee_release(&t);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batch_passes_results_on_and_returns_data),
		cmocka_unit_test(failing_call_ends_the_batch_and_names_itself),
		cmocka_unit_test(batch_larger_than_its_slot_goes_in_rounds),
		cmocka_unit_test(task_goes_home_when_its_tracer_dies),
		cmocka_unit_test(restarted_call_is_known_behind_syscall_3),
	};
	return cmocka_run_group_tests_name("tracee", tests, NULL, NULL);
}
