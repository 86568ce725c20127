/* The spawner transition for a container's first process: one clone3(2) makes the namespaces, the
 * process furnishes them itself and then runs what it was born for. */
#include "space/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "space/report.h"
#include "space/surroundings.h"

#define SPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS)

/* Handlers of the caller must not run in a process that shares nothing with it any more. */
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

struct birth {
	const struct space_options *options;
	int (*first)(void *arg);
	void *arg;
	bool new_user;
	uid_t uid;
	gid_t gid;
	int sock; /* to the caller of space_spawn */
};

/* Writes the maps of the caller's own user namespace: itself, or root for itself. It may do that
 * itself as its own owner, one id each and with setgroups(2) given up (user_namespaces(7)). */
static int map_ids(const struct birth *b, struct pidspace_error *err)
{
	char text[64];
	int r;

	r = fd_write_str_at(AT_FDCWD, "/proc/self/setgroups", "deny");
	if (r < 0 && r != -ENOENT)
		return error_sys(err, r, "cannot give up setgroups in the user namespace");
	snprintf(text, sizeof text, "%u %u 1", b->options->map_root ? 0 : b->uid, b->uid);
	r = fd_write_str_at(AT_FDCWD, "/proc/self/uid_map", text);
	if (r >= 0) {
		snprintf(text, sizeof text, "%u %u 1", b->options->map_root ? 0 : b->gid, b->gid);
		r = fd_write_str_at(AT_FDCWD, "/proc/self/gid_map", text);
	}
	return r < 0 ? error_sys(err, r, "cannot map user %u into the user namespace", b->uid) : 0;
}

static _Noreturn void run_first(const struct birth *b)
{
	struct pidspace_error err = {0};
	int fds[3] = {-1, -1, -1}, r;
	size_t n = 0;

	r = surroundings_make(b->options, &fds[n++], &err);
	if (r < 0)
		report_fail(b->sock, &err);
	fds[n++] = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (b->new_user)
		fds[n++] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (fds[1] < 0 || fds[n - 1] < 0) {
		error_sys(&err, -errno, "cannot open the container's namespaces");
		report_fail(b->sock, &err);
	}
	if (report_send(b->sock, REPORT_READY, hpid_of(0), fds, n) < 0)
		_exit(127);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	close(b->sock);
	_exit(b->first(b->arg));
}

static pid_t clone_first(const struct birth *b, uint64_t flags, bool sibling)
{
	struct sys_clone_args args = {
		.flags = flags | CLONE_CLEAR_SIGHAND | (sibling ? CLONE_PARENT : 0),
		/* with CLONE_PARENT it is that of the helper, SIGCHLD too (clone(2)) */
		.exit_signal = sibling ? 0 : SIGCHLD,
	};

	return sys_clone3(&args);
}

/* Adds ns to a clock offset in s and ns, as proc/timens_offsets wants it: 0 <= nsec < 1e9. */
static void offset_line(char *to, size_t size, const char *clock, int64_t ns)
{
	int64_t sec = ns / 1000000000, rest = ns % 1000000000;

	if (rest < 0) {
		rest += 1000000000;
		sec--;
	}
	snprintf(to, size, "%s %lld %lld\n", clock, (long long)sec, (long long)rest);
}

static int64_t offset_now(const char *offsets, int id, clockid_t clock, int64_t want_ns)
{
	struct timespec now;
	int64_t has = 0;

	/* Offsets count from the first time namespace, our clock from our own. */
	for (const char *line = offsets; line && *line;) {
		char name[16];
		long long sec, nsec;

		if (sscanf(line, "%15s %lld %lld", name, &sec, &nsec) == 3 &&
		    (name[0] == (id == CLOCK_BOOTTIME ? 'b' : 'm') || name[0] == '0' + id))
			has = sec * 1000000000LL + nsec;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	clock_gettime(clock, &now);
	return has + want_ns - (now.tv_sec * 1000000000LL + now.tv_nsec);
}

/* Offsets of a time namespace can be written until its first process enters it
 * (time_namespaces(7)), so a helper makes it and clones init into it. */
static int set_clocks(const struct space_options *o, struct pidspace_error *err)
{
	_cleanup_free_ char *offsets = NULL;
	char text[160];
	int r;

	if (unshare(SYS_CLONE_NEWTIME) < 0)
		return error_sys(err, -errno, "cannot make a time namespace");
	r = fd_slurp_at(AT_FDCWD, "/proc/self/timens_offsets", &offsets, NULL);
	if (r < 0)
		return error_sys(err, r, "cannot read /proc/self/timens_offsets");
	offset_line(text, 80, "monotonic",
		    offset_now(offsets, CLOCK_MONOTONIC, CLOCK_MONOTONIC, o->monotonic_ns));
	offset_line(text + strlen(text), 80, "boottime",
		    offset_now(offsets, CLOCK_BOOTTIME, CLOCK_BOOTTIME, o->boottime_ns));
	r = fd_write_str_at(AT_FDCWD, "/proc/self/timens_offsets", text);
	if (r < 0)
		return error_sys(err, r, "cannot set the container's clocks");
	return 0;
}

static _Noreturn void run_clock_helper(const struct birth *b)
{
	struct pidspace_error err = {0};
	pid_t pid;

	if (b->new_user) {
		if (unshare(CLONE_NEWUSER) < 0) {
			error_sys(&err, -errno, "cannot make a user namespace");
			report_fail(b->sock, &err);
		}
		if (map_ids(b, &err) < 0)
			report_fail(b->sock, &err);
	}
	if (set_clocks(b->options, &err) < 0)
		report_fail(b->sock, &err);
	pid = clone_first(b, SPACES, true);
	if (pid == 0)
		run_first(b);
	if (pid < 0) {
		error_sys(&err, pid, "cannot make the container's namespaces");
		report_fail(b->sock, &err);
	}
	report_send(b->sock, REPORT_BORN, hpid_of(pid), NULL, 0);
	_exit(0);
}

static void reap(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/* Receives what the newborn (and the helper) have to tell. *pid may be learned on the way; it is our
 * child in any case, so its number stays its own until we reap it. A failure is not the end: without
 * the helper's message the dead newborn would stay behind as a zombie. */
static int attend(struct space *s, int sock, pid_t *pid, struct pidspace_error *err)
{
	bool ready = false;
	int failed = 0;

	while (*pid == 0 || !(ready || failed)) {
		int fds[REPORT_FDS];
		size_t n;
		struct report m;
		int r = report_receive(sock, &m, fds, &n);

		if (r < 0 && failed)
			break;
		if (r < 0)
			return error_set(err, r, "E_SPAWN", "the container's first process died while "
							    "its namespaces were made");
		if (m.type == REPORT_FAILED) {
			failed = m.error.status;
			if (err)
				*err = m.error;
		}
		if (m.type == REPORT_BORN)
			*pid = m.host.n;
		if (m.type == REPORT_READY) {
			ready = true;
			s->proc_fd = n > 0 ? fds[0] : -1;
			s->pidns_fd = n > 1 ? fds[1] : -1;
			s->userns_fd = n > 2 ? fds[2] : -1;
		}
	}
	return failed;
}

static int identify(struct space *s, pid_t pid, struct pidspace_error *err)
{
	struct stat st;
	int r = task_ref_open(&s->init, hpid_of(pid), vpid_of(1));

	if (r < 0)
		return error_sys(err, r, "cannot refer to the container's first process");
	if (fstat(s->pidns_fd, &st) < 0)
		return error_sys(err, -errno, "cannot identify the container's PID namespace");
	s->pidns_ino = st.st_ino;
	return 0;
}

static int explain_clone(int r, bool new_user, struct pidspace_error *err)
{
	if (r == -EPERM && new_user)
		return error_set(err, r, "E_USERNS", "this host does not let user %u make user "
						     "namespaces: run as root, or see "
						     "/proc/sys/kernel/unprivileged_userns_clone and "
						     "/proc/sys/user/max_user_namespaces", geteuid());
	if (r == -ENOSPC)
		return error_set(err, r, "E_NAMESPACES", "no further namespace can be made: see "
							 "/proc/sys/user/max_*_namespaces");
	return error_sys(err, r, "cannot make the container's namespaces");
}

int space_spawn(struct space *ret, const struct space_options *o, int (*first)(void *arg),
		void *arg, struct pidspace_error *err)
{
	struct space s = {.init = TASK_REF_EMPTY, .proc_fd = -1, .pidns_fd = -1, .userns_fd = -1};
	struct birth b = {.options = o, .first = first, .arg = arg, .uid = geteuid(), .gid = getegid(),
			  .new_user = o->new_user || geteuid() != 0};
	uint64_t flags = SPACES | SYS_CLONE_NEWTIME | (b.new_user ? CLONE_NEWUSER : 0);
	_cleanup_close_ int ours = -1, theirs = -1;
	pid_t pid = 0, helper = 0;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	b.sock = theirs = pair[1];
	if (o->set_clocks) {
		helper = clone_first(&b, 0, false);
		if (helper == 0)
			run_clock_helper(&b);
	} else {
		pid = clone_first(&b, flags, false);
		if (pid == -EINVAL) /* a kernel without time namespaces */
			pid = clone_first(&b, flags & ~(uint64_t)SYS_CLONE_NEWTIME, false);
		if (pid == 0) {
			struct pidspace_error e = {0};

			if (b.new_user && map_ids(&b, &e) < 0)
				report_fail(b.sock, &e);
			run_first(&b);
		}
	}
	if (pid < 0 || helper < 0)
		return explain_clone(pid < 0 ? pid : helper, b.new_user, err);
	close(fd_take(&theirs));
	r = attend(&s, ours, &pid, err);
	reap(helper);
	if (r >= 0)
		r = identify(&s, pid, err);
	if (r < 0) {
		/* With the helper dead and no BORN, init never was; else it is ours to end. */
		if (pid > 0) {
			kill(pid, SIGKILL);
			reap(pid);
		}
		space_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}
