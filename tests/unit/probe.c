/* Probing finds what this kernel has and leaves no trace in the process that asks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kernel/probe.h"

static volatile sig_atomic_t sigchld_seen;

static void on_sigchld(int sig)
{
	sigchld_seen = sig;
}

static int count_open_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void every_feature_has_a_row(void **state)
{
	for (int i = 0; i < PROBE_N; i++) {
		const struct probe_feature *f = probe_feature((enum probe_id)i);
		assert_non_null(f);
		assert_true(f->name[0] && strchr(f->since, '.') && f->costs[0]);
		assert_true(strlen(f->name) < 48 && strlen(f->costs) < 256);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(f->name, probe_feature((enum probe_id)j)->name);
	}
	assert_null(probe_feature(PROBE_N));
}

static void nothing_of_the_caller_changes(void **state)
{
	struct probe a, b;
	char *before = NULL, *after = NULL;
	assert_true(fd_slurp_at(AT_FDCWD, "/proc/sys/kernel/pid_max", &before, NULL) >= 0);
	int fds = count_open_fds();
	sigchld_seen = 0;
	signal(SIGCHLD, on_sigchld);
	uid_t uid = geteuid();

	probe_all(&a);
	probe_all(&b);

	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(sigchld_seen, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_open_fds(), fds);
	assert_int_equal(geteuid(), uid);
	assert_true(fd_slurp_at(AT_FDCWD, "/proc/sys/kernel/pid_max", &after, NULL) >= 0);
	assert_string_equal(before, after);
	signal(SIGCHLD, SIG_DFL);
	free(before);
	free(after);
}

/* A caller that ignores SIGCHLD has its children reaped by the kernel; probes must not need them. */
static void works_where_sigchld_is_ignored(void **state)
{
	struct probe a, b;
	probe_all(&a);
	signal(SIGCHLD, SIG_IGN);
	probe_all(&b);
	signal(SIGCHLD, SIG_DFL);
	assert_memory_equal(&a, &b, sizeof a);
}

/* What Linux 6.1 has cannot be missing where this project's tests run. */
static void finds_what_every_supported_kernel_has(void **state)
{
	assert_true(probe_one(PROBE_PIDFD));
	assert_true(probe_one(PROBE_OPENAT2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_feature_has_a_row),
		cmocka_unit_test(nothing_of_the_caller_changes),
		cmocka_unit_test(works_where_sigchld_is_ignored),
		cmocka_unit_test(finds_what_every_supported_kernel_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
