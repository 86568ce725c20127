/* PID spaces: spawned, entered, adopted, translated, as the user who runs the test and again as an
 * ordinary one (uid 65534, through a user namespace). */
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "space/space.h"
#include "space/translate.h"
#include "as_user.h"

static int end(struct space *s)
{
	int status;

	CHECK(task_ref_kill(&s->init, SIGKILL) == 0);
	CHECK(waitpid(s->init.host.n, &status, 0) == s->init.host.n);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	space_done(s);
	return 0;
}

static int sleeper(void *arg)
{
	prctl(PR_SET_DUMPABLE, 1); /* entering a user namespace took it away, exec would give it back */
	for (;;)
		pause();
	return 0;
}

static int spawn(struct space *s, const struct space_options *o, int (*first)(void *), void *arg)
{
	struct pidspace_error err = {0};
	int r = space_spawn(s, o, first, arg, &err);

	if (r < 0)
		fprintf(stderr, "space_spawn: %s\n", err.message);
	return r;
}

/* init (pid 1) says through a pipe what it sees. */
static int look_around(void *arg)
{
	int fd = *(int *)arg, ptmx, n = -1;
	char self[16] = {0}, host[65] = {0};
	struct stat shm = {0}, zero = {0};

	if (readlink("/proc/self", self, 15) < 0)
		return 2;
	ptmx = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (ptmx >= 0 && unlockpt(ptmx) == 0)
		n = !strcmp(ptsname(ptmx), "/dev/pts/0");
	stat("/dev/shm", &shm);
	stat("/dev/null", &zero);
	gethostname(host, 64);
	dprintf(fd, "pid %d proc %s pts %d shm %o host %s null %d uid %d", getpid(), self, n,
		shm.st_mode & 07777, host, S_ISCHR(zero.st_mode), getuid());
	close(fd);
	return sleeper(NULL);
}

static int see(const struct space_options *o, char *buf, size_t size, struct space *s)
{
	int p[2];
	ssize_t n;

	CHECK(pipe2(p, O_CLOEXEC) == 0);
	CHECK(spawn(s, o, look_around, &p[1]) == 0);
	close(p[1]);
	n = fd_read_all(p[0], buf, size - 1);
	buf[n < 0 ? 0 : n] = 0;
	close(p[0]);
	return 0;
}

static int spawn_body(void)
{
	struct space_options o = {.hostname = "inside", .pid_max = 400};
	char seen[400], want[400], *text = NULL;
	struct space s;

	CHECK(see(&o, seen, sizeof seen, &s) == 0);
	snprintf(want, sizeof want, "pid 1 proc 1 pts 1 shm 1777 host inside null 1 uid %d", getuid());
	if (strcmp(seen, want))
		fprintf(stderr, "saw: %s\n", seen);
	CHECK(!strcmp(seen, want));
	CHECK(s.init.pid.n == 1 && s.pidns_ino != 0);
	CHECK((s.userns_fd >= 0) == (geteuid() != 0));
	/* the container's procfs, read from here, speaks its numbers */
	CHECK(fd_slurp_at(s.proc_fd, "1/status", &text, NULL) == 0);
	CHECK(strstr(text, "\nPid:\t1\n"));
	free(text);
	CHECK(faccessat(s.proc_fd, "1/fd/0", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	return end(&s);
}

static int map_root_body(void)
{
	struct space_options o = {.new_user = true, .map_root = true};
	char seen[400];
	struct space s;

	CHECK(see(&o, seen, sizeof seen, &s) == 0);
	CHECK(strstr(seen, "uid 0"));
	CHECK(s.userns_fd >= 0);
	return end(&s);
}

static int read_clocks(void *arg)
{
	struct timespec m, b;

	clock_gettime(CLOCK_MONOTONIC, &m);
	clock_gettime(CLOCK_BOOTTIME, &b);
	dprintf(*(int *)arg, "%lld %lld", (long long)m.tv_sec, (long long)b.tv_sec);
	close(*(int *)arg);
	return sleeper(NULL);
}

static int clocks_body(void)
{
	struct space_options o = {.set_clocks = true, .monotonic_ns = 5000000 * 1000000000LL + 7,
				  .boottime_ns = 6000000 * 1000000000LL - 1};
	char text[100] = {0};
	long long m, b;
	struct space s;
	int p[2];

	CHECK(pipe2(p, O_CLOEXEC) == 0);
	CHECK(spawn(&s, &o, read_clocks, &p[1]) == 0);
	close(p[1]);
	CHECK(fd_read_all(p[0], text, sizeof text - 1) > 0);
	CHECK(sscanf(text, "%lld %lld", &m, &b) == 2);
	CHECK(m >= 5000000 && m < 5000060);
	CHECK(b >= 5999999 && b < 6000060);
	close(p[0]);
	return end(&s); /* waits for it: so it was our child */
}

static int fails_body(void)
{
	struct space_options o = {.rootfs = "/nonexistent-root"};
	struct pidspace_error err = {0};
	struct space s;

	CHECK(space_spawn(&s, &o, sleeper, NULL, &err) == -ENOENT);
	CHECK(strstr(err.message, "/nonexistent-root"));
	CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD); /* nothing left behind */
	o = (struct space_options){.rootfs = "/nonexistent-root", .set_clocks = true,
				   .monotonic_ns = 1LL << 40, .boottime_ns = 1LL << 40};
	CHECK(space_spawn(&s, &o, sleeper, NULL, &err) < 0);
	CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	return 0;
}

static int tell_pid(void *arg)
{
	char text[16] = {0};

	if (readlink("/proc/self", text, 15) < 0)
		return 1;
	dprintf(*(int *)arg, "%d %s", getpid(), text);
	close(*(int *)arg);
	return 7;
}

static int enter_body(void)
{
	struct space_options o = {0};
	struct task_ref ref;
	char text[32] = {0};
	struct space s, again;
	int p[2], status;

	CHECK(spawn(&s, &o, sleeper, NULL) == 0);
	CHECK(space_adopt(&again, s.init.host, NULL) == 0);
	CHECK(again.pidns_ino == s.pidns_ino);
	for (int want = 2; want < 5; want++) {
		CHECK(pipe2(p, O_CLOEXEC) == 0);
		CHECK(space_enter(want % 2 ? &s : &again, tell_pid, &p[1], &ref, NULL) == 0);
		CHECK(ref.pid.n == want);
		close(p[1]);
		memset(text, 0, sizeof text);
		CHECK(fd_read_all(p[0], text, sizeof text - 1) > 0);
		close(p[0]);
		CHECK(atoi(text) == want && atoi(strchr(text, ' ')) == want);
		CHECK(waitpid(ref.host.n, &status, 0) == ref.host.n);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		task_ref_done(&ref);
	}
	struct pidspace_error err = {0};
	char *proc = NULL;
	CHECK(fd_slurp_at(again.proc_fd, "1/status", &proc, NULL) == 0);
	CHECK(faccessat(again.proc_fd, "1/fd/0", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(strstr(proc, "\nPid:\t1\n"));
	free(proc);
	CHECK(end(&s) == 0);
	CHECK(space_enter(&again, tell_pid, &p[1], &ref, &err) < 0);
	struct hpid gone = again.init.host;
	space_done(&again);
	CHECK(space_adopt(&again, gone, &err) == -ESRCH);
	return 0;
}

/* The child of space_enter() says by a byte that it is readable. */
static int told_sleeper(void *arg)
{
	prctl(PR_SET_DUMPABLE, 1);
	if (write(*(int *)arg, "x", 1) != 1)
		return 1;
	return sleeper(NULL);
}

static int translate_body(void)
{
	struct space_options o = {0};
	struct task_ref kid;
	struct space s, other;
	struct hpid h, h2;
	char x;
	int p[2];
	struct vpid v, v2;

	CHECK(spawn(&s, &o, sleeper, NULL) == 0);
	CHECK(spawn(&other, &o, sleeper, NULL) == 0);
	CHECK(pipe2(p, O_CLOEXEC) == 0);
	CHECK(space_enter(&s, told_sleeper, &p[1], &kid, NULL) == 0);
	CHECK(read(p[0], &x, 1) == 1);
	/* the kernel's answer and that of the search are one */
	for (int n = 1; n <= 2; n++) {
		CHECK(space_to_host(&s, vpid_of(n), &h) == 0);
		CHECK(translate_scan_to_host(&s, vpid_of(n), &h2) == 0);
		CHECK(h.n == (n == 1 ? s.init.host.n : kid.host.n) && h2.n == h.n);
		CHECK(space_to_guest(&s, h, &v) == 0 && v.n == n);
		CHECK(translate_scan_to_guest(&s, h, &v2) == 0 && v2.n == n);
	}
	CHECK(space_to_host(&s, vpid_of(3), &h) == -ESRCH);
	CHECK(translate_scan_to_host(&s, vpid_of(3), &h) == -ESRCH);
	/* strangers: the host's, another container's */
	CHECK(space_to_guest(&s, hpid_of(getpid()), &v) == -ESRCH);
	CHECK(translate_scan_to_guest(&s, hpid_of(getpid()), &v) == -ESRCH);
	CHECK(space_to_guest(&s, other.init.host, &v) == -ESRCH);
	CHECK(translate_scan_to_guest(&s, other.init.host, &v) == -ESRCH);
	CHECK(end(&other) == 0);
	CHECK(task_ref_kill(&kid, SIGKILL) == 0);
	CHECK(waitpid(kid.host.n, NULL, 0) == kid.host.n);
	CHECK(space_ref(&s, vpid_of(2), &kid) == -ESRCH);
	return end(&s);
}

/* Pids wrap at 301: every number is used over and over by short-lived processes, while a reference to
 * an old bearer of each is used. It must answer ESRCH, never reach the new one. */
static int recycle_body(void)
{
	struct space_options o = {.pid_max = 310};
	struct task_ref old = TASK_REF_EMPTY, now;
	bool again = false;
	struct space s;
	int p[2], status;

	CHECK(pipe2(p, O_CLOEXEC) == 0);
	CHECK(spawn(&s, &o, sleeper, NULL) == 0);
	/* the kernel starts over at 300 (kernel/pid.c, RESERVED_PIDS) */
	while (old.pid.n < 300) {
		task_ref_done(&old);
		CHECK(space_enter(&s, sleeper, NULL, &old, NULL) == 0);
		if (old.pid.n < 300) {
			CHECK(task_ref_kill(&old, SIGKILL) == 0);
			CHECK(waitpid(old.host.n, &status, 0) == old.host.n);
		}
	}
	CHECK(space_ref(&s, old.pid, &now) == 0);
	CHECK(now.host.n == old.host.n);
	CHECK(task_ref_kill(&now, SIGKILL) == 0);
	CHECK(waitpid(old.host.n, &status, 0) == old.host.n);
	task_ref_done(&now);
	for (int i = 0; i < 1000 && !again; i++) {
		CHECK(space_enter(&s, sleeper, NULL, &now, NULL) == 0);
		again = now.pid.n == old.pid.n;
		CHECK(task_ref_kill(&old, SIGKILL) == -ESRCH);
		CHECK(task_ref_alive(&now));
		if (again) {
			struct task_ref fresh;

			CHECK(space_ref(&s, old.pid, &fresh) == 0);
			CHECK(fresh.host.n == now.host.n);
			task_ref_done(&fresh);
		}
		CHECK(task_ref_kill(&now, SIGKILL) == 0);
		CHECK(waitpid(now.host.n, &status, 0) == now.host.n);
		CHECK(WIFSIGNALED(status));
		task_ref_done(&now);
	}
	CHECK(again); /* the number did come round */
	task_ref_done(&old);
	return end(&s);
}

BOTH(spawn)
BOTH(map_root)
BOTH(clocks)
BOTH(fails)
BOTH(enter)
BOTH(translate)
BOTH(recycle)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_TESTS(spawn), BOTH_TESTS(map_root),  BOTH_TESTS(clocks),  BOTH_TESTS(fails),
		BOTH_TESTS(enter), BOTH_TESTS(translate), BOTH_TESTS(recycle),
	};

	return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
