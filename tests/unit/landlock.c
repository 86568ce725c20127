/* No signal leaves the Landlock domain of a container, and those of the kernel still do.
 *
 *     test ── restricted ── child (inside)
 *       └──── outside */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/probe.h"
#include "kernel/sys.h"
#include "virtual/landlock.h"

static volatile sig_atomic_t chld_seen;

static void on_chld(int sig)
{
	(void)sig;
	chld_seen++;
}

/* Runs test(arg) in a child under the domain. Its exit status: 0 all is well, else the number of the line that is not. */
static int restricted(int (*test)(pid_t outside), pid_t outside)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGCHLD, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(landlock_restrict(NULL) == 1 ? test(outside) : 255);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static pid_t idle(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

#define EXPECT(x) do { if (!(x)) return __LINE__ & 0x7f ? __LINE__ & 0x7f : 1; } while (0)

static bool denied(long r)
{
	return r == -1 && errno == EPERM;
}

static int cannot_reach(pid_t outside)
{
	char buf[8];
	int here = 0;
	struct iovec to = {&here, sizeof here}, from = {&here, sizeof here};
	int pidfd = sys_pidfd_open(outside, 0);

	EXPECT(denied(kill(outside, 0)));
	EXPECT(denied(kill(outside, SIGTERM)));
	EXPECT(denied(kill(-outside, SIGTERM)));
	EXPECT(denied(syscall(SYS_tgkill, outside, outside, SIGTERM)));
	EXPECT(denied(sigqueue(outside, SIGTERM, (union sigval){0})));
	EXPECT(pidfd >= 0 && sys_pidfd_send_signal(pidfd, SIGTERM) == -EPERM);
	EXPECT(denied(kill(getppid(), 0)));
	EXPECT(denied(process_vm_readv(outside, &to, 1, &from, 1, 0)));
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/cwd", (int)outside);
	EXPECT(readlink(path, buf, sizeof buf) < 0 && errno == EACCES);
	return 0;
}

static void a_signal_to_an_outside_process_is_eperm(void **state)
{
	pid_t outside = idle();

	(void)state;
	setpgid(outside, outside);
	assert_int_equal(restricted(cannot_reach, outside), 0);
	assert_int_equal(waitpid(outside, NULL, WNOHANG), 0); /* it lives */
	kill(outside, SIGKILL);
	waitpid(outside, NULL, 0);
}

static int reach_each_other(pid_t outside)
{
	int status, here = 7;
	pid_t child = idle();
	struct iovec to = {&here, sizeof here}, from = {&here, sizeof here};

	(void)outside;
	EXPECT(child > 0 && kill(child, 0) == 0 && kill(getpid(), 0) == 0);
	EXPECT(process_vm_readv(child, &to, 1, &from, 1, 0) == sizeof here);
	EXPECT(kill(child, SIGTERM) == 0);
	EXPECT(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	/* In a grandchild's hands too, and upwards. */
	signal(SIGUSR1, on_chld);
	child = fork();
	if (child == 0)
		_exit(kill(getppid(), SIGUSR1) == 0 ? 0 : 1);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(chld_seen == 1);
	return 0;
}

static void inside_signals_work(void **state)
{
	(void)state;
	assert_int_equal(restricted(reach_each_other, 0), 0);
}

static int nothing(pid_t outside)
{
	(void)outside;
	return 0;
}

static void the_parent_outside_hears_of_an_exit(void **state)
{
	(void)state;
	chld_seen = 0;
	signal(SIGCHLD, on_chld);
	assert_int_equal(restricted(nothing, 0), 0);
	assert_int_equal(chld_seen, 1);
	signal(SIGCHLD, SIG_DFL);
}

/* Into the domain from outside: the monitor stops, continues and kills. */
static int wait_for_term(pid_t outside)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (write(outside /* a descriptor here */, "r", 1) != 1)
		return 1;
	return sigwait(&set, &sig) == 0 && sig == SIGTERM ? 0 : 2;
}

static void a_signal_from_outside_arrives(void **state)
{
	int ready[2], status;
	char c;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(landlock_restrict(NULL) == 1 ? wait_for_term(ready[1]) : 255);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
}

/* What a domain with rules for files would change. */
static int files_as_before(pid_t outside)
{
	char dir[] = "/tmp/pidspace-landlock-XXXXXX", from[64], to[64], sub[64];

	(void)outside;
	EXPECT(mkdtemp(dir));
	snprintf(sub, sizeof sub, "%s/sub", dir);
	snprintf(from, sizeof from, "%s/file", dir);
	snprintf(to, sizeof to, "%s/file", sub);
	EXPECT(mkdir(sub, 0700) == 0 && close(open(from, O_CREAT | O_WRONLY, 0600)) == 0);
	EXPECT(link(from, to) == 0 && unlink(to) == 0 && rename(from, to) == 0);
	EXPECT(unlink(to) == 0 && rmdir(sub) == 0 && rmdir(dir) == 0);
	EXPECT(close(open("/", O_RDONLY | O_DIRECTORY)) == 0);
	return 0;
}

static void files_are_not_restricted(void **state)
{
	(void)state;
	assert_int_equal(restricted(files_as_before, 0), 0);
}

static int as_often_as_it_goes(pid_t outside)
{
	int i;

	(void)outside;
	for (i = 1; i < 16; i++)
		EXPECT(landlock_restrict(NULL) == 1);
	EXPECT(landlock_restrict(NULL) == 0);
	return 0;
}

static void one_domain_too_many_is_done_without(void **state)
{
	(void)state;
	assert_int_equal(restricted(as_often_as_it_goes, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_to_an_outside_process_is_eperm),
		cmocka_unit_test(inside_signals_work),
		cmocka_unit_test(the_parent_outside_hears_of_an_exit),
		cmocka_unit_test(a_signal_from_outside_arrives),
		cmocka_unit_test(files_are_not_restricted),
		cmocka_unit_test(one_domain_too_many_is_done_without),
	};

	if (!probe_one(PROBE_LANDLOCK_SIGNAL))
		return 77; /* skipped */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
