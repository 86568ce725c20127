/* Ways to reach the host's processes, or more than the caller may: none leads there. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "proc_world.h"

static void assert_gone(struct world *w, const char *format, pid_t host)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, format, host);
	fd = world_open_path(w, path);
	if (fd != -ENOENT)
		print_error("%s: %d\n", path, fd);
	assert_int_equal(fd, -ENOENT);
}

static void no_way_leads_to_a_host_process(void **state)
{
	static const char *const ways[] = {
		"/proc/%d", "/proc/%d/stat", "/proc//%d//stat", "/proc/./%d/status", "/proc/self/../%d/stat",
		"/proc/self/task/../../%d/stat", "/proc/self/task/%d/stat", "/proc/thread-self/../%d",
		"/proc/self/root/proc/%d/stat", "/proc/1/root/proc/%d/stat", "/proc/1/cwd/../../../../../../../proc/%d",
		"/dev/fd/../../%d/stat", "/proc/self/fd/../../%d/stat", "/proc/net/../../%d/stat",
		"/proc/../proc/%d/stat", "/proc/sys/../%d/stat", "/proc/self/ns/../../%d", "/proc/mounts/../../%d",
		"/proc/1/task/1/root/proc/%d/exe", "/proc/%d/../self/stat", "/proc/0%d",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (strcmp(ways[i], "/proc/mounts/../../%d")) {
			assert_gone(w, ways[i], getpid());
			assert_gone(w, ways[i], world_host(w, 2));
			assert_gone(w, ways[i], 4194000);
		}
	assert_int_equal(world_open_path(w, "/proc/mounts/../../1"), -ENOTDIR);
	assert_int_equal(world_open_path(w, "/proc/0"), -ENOENT);
	assert_int_equal(world_open_path(w, "/proc/-1"), -ENOENT);
	assert_int_equal(world_open_path(w, "/proc/01/stat"), -ENOENT);
	assert_int_equal(world_open_path(w, "/proc/99999999999999"), -ENOENT);
}

static void links_lead_into_proc_too(void **state)
{
	struct world *w = *state;
	char link[128], target[64], head[9];
	_cleanup_close_ int fd = -1;

	snprintf(link, sizeof link, "%s/a", w->dir);
	snprintf(target, sizeof target, "/proc/%d/stat", getpid());
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(world_open_path(w, link), -ENOENT);
	snprintf(link, sizeof link, "%s/b", w->dir);
	assert_int_equal(symlink("../../../../proc/self", link), 0);
	snprintf(link, sizeof link, "%s/b/stat", w->dir);
	fd = world_open_path(w, link);
	assert_int_equal(pread(fd, head, 9, 0), 9);
	assert_memory_equal(head, "5 (caller", 9);
	snprintf(link, sizeof link, "%s/loop", w->dir);
	assert_int_equal(symlink("/proc/self/root/proc/self/cwd/../../../../../../proc/self/../x", link), 0);
	assert_int_equal(world_open_path(w, link), -ENOENT);
	snprintf(link, sizeof link, "%s/round", w->dir);
	assert_int_equal(symlink("round", link), 0);
	assert_int_equal(world_open_path(w, link), -EXDEV); /* the kernel will say ELOOP itself */
}

/* Resolving as openat2(2) would, below a descriptor of ours. */
static int resolve_below(struct world *w, int dirfd, const char *path, unsigned flags)
{
	struct proc_caller me = {hpid_of(getpid()), hpid_of(getpid())};
	struct proc_answer a;
	int r = proc_view_resolve(&w->view, &me, dirfd, path, flags, &a);

	if (r < 0)
		return r;
	r = (int)a.what;
	proc_answer_done(&a);
	return r;
}

static void openat2_flags_hold(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int root = open("/", O_PATH | O_CLOEXEC), proc = world_open_path(w, "/proc"),
			    five = world_open_path(w, "/proc/5");

	w->task[w->n].host = getpid();
	w->task[w->n++].vpid = 9;
	assert_int_equal(resolve_below(w, root, "proc/5/stat", PROC_BENEATH), PROC_TEXT);
	assert_int_equal(resolve_below(w, root, "/proc/5/stat", PROC_IN_ROOT), PROC_TEXT);
	assert_int_equal(resolve_below(w, root, "proc/5/stat", PROC_NO_XDEV), -EXDEV);
	assert_int_equal(resolve_below(w, proc, "5/stat", PROC_NO_XDEV), PROC_TEXT);
	assert_int_equal(resolve_below(w, proc, "../etc", PROC_NO_XDEV), -EXDEV);
	assert_int_equal(resolve_below(w, five, "../2/stat", 0), PROC_TEXT);
	assert_int_equal(resolve_below(w, five, "../2/stat", PROC_BENEATH), -EXDEV);
	assert_int_equal(resolve_below(w, five, "../stat", PROC_IN_ROOT), PROC_TEXT);
	assert_int_equal(resolve_below(w, five, "../../../stat", PROC_IN_ROOT), PROC_TEXT);
	assert_int_equal(resolve_below(w, five, "/stat", PROC_IN_ROOT), PROC_TEXT);
	assert_int_equal(resolve_below(w, five, "/stat", PROC_BENEATH), -EXDEV);
	assert_int_equal(resolve_below(w, proc, "self/stat", PROC_NO_SYMLINKS), -ELOOP);
	assert_int_equal(resolve_below(w, proc, "self/stat", PROC_NO_MAGICLINKS), PROC_TEXT);
	assert_int_equal(resolve_below(w, proc, "self/cwd", PROC_NO_MAGICLINKS), -ELOOP);
	assert_int_equal(resolve_below(w, proc, "self/cwd", PROC_NO_MAGICLINKS | PROC_NOFOLLOW), PROC_LINK);
	assert_int_equal(resolve_below(w, proc, "self/root/proc", PROC_BENEATH), -EXDEV);
	w->n--;
}

/* Numbers of a procfs that shows another PID namespace mean nothing to us. */
static void another_namespaces_procfs_is_not_there(void **state)
{
	struct world *w = *state, space;
	_cleanup_close_ int fd = -1;
	char path[64];

	if (!world_new_space(&space))
		skip();
	snprintf(path, sizeof path, "/proc/%d/root/proc", space.init);
	fd = open(path, O_PATH | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(resolve_below(w, fd, "1/stat", 0), -ENOENT);
	assert_int_equal(resolve_below(w, fd, "meminfo", 0), -ENOENT);
	assert_int_equal(resolve_below(w, fd, "", 0), -ENOENT);
	world_done(&space);
}

/* Runs in a child, whose mounts are its own. 0: as it should be. */
static int with_mounts(struct world *w)
{
	char all[80], part[80], path[200];
	_cleanup_close_ int fd = -1;

	snprintf(all, sizeof all, "%s/all", w->dir);
	snprintf(part, sizeof part, "%s/part", w->dir);
	snprintf(path, sizeof path, "/proc/%d", world_host(w, 2));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(all, 0755) < 0 || mkdir(part, 0755) < 0 || mount("proc", all, "proc", 0, NULL) < 0 ||
	    mount(path, part, NULL, MS_BIND, NULL) < 0)
		return 77;
	snprintf(path, sizeof path, "%s/5/stat", all);
	if (resolve_below(w, AT_FDCWD, path, 0) != PROC_TEXT)
		return 1;
	snprintf(path, sizeof path, "%s/%d/stat", all, world_host(w, 5));
	if (resolve_below(w, AT_FDCWD, path, 0) != -ENOENT)
		return 2;
	snprintf(path, sizeof path, "%s/task/3/../../status", part);
	if (resolve_below(w, AT_FDCWD, path, 0) != PROC_TEXT)
		return 3;
	snprintf(path, sizeof path, "%s/task/%d", part, world_host(w, 3));
	if (resolve_below(w, AT_FDCWD, path, 0) != -ENOENT)
		return 4;
	fd = open(part, O_PATH | O_CLOEXEC);
	if (resolve_below(w, fd, "stat", 0) != PROC_TEXT)
		return 5;
	snprintf(path, sizeof path, "/proc/%d", getppid()); /* who is not of the container */
	if (mount(path, part, NULL, MS_BIND, NULL) < 0)
		return 6;
	snprintf(path, sizeof path, "%s/stat", part);
	return resolve_below(w, AT_FDCWD, path, 0) != -ENOENT ? 7 : 0;
}

static void other_mounts_of_proc_are_seen_through(void **state)
{
	struct world *w = *state;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(with_mounts(w));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* root inside became nobody: what it cannot open itself is not opened for it. */
static void nothing_is_opened_with_more_rights_than_the_callers(void **state)
{
	struct world *w = *state;
	struct proc_caller c;
	int die[2], status, fd;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe2(die, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char x;
		close(die[1]);
		if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		    setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		_exit(read(die[0], &x, 1) == 1 && read(die[0], &x, 1) == 0 ? 0 : 1);
	}
	/* It has changed its ids once it waits for the second byte. */
	assert_int_equal(write(die[1], "x", 1), 1);
	while (ioctl(die[0], FIONREAD, &fd) == 0 && fd)
		sched_yield();
	c = (struct proc_caller){hpid_of(pid), hpid_of(pid)};
	w->task[w->n].host = pid;
	w->task[w->n++].vpid = 6;
	assert_int_equal(world_open(w, c, AT_FDCWD, "/proc/kpageflags", O_RDONLY), -EACCES);
	assert_int_equal(world_open(w, c, AT_FDCWD, "/proc/2/environ", O_RDONLY), -EACCES);
	assert_int_equal(world_open(w, c, AT_FDCWD, "/proc/2/maps", O_RDONLY), -EACCES);
	assert_int_equal(world_open(w, c, AT_FDCWD, "/proc/2/root", O_RDONLY), -EACCES);
	fd = world_open(w, c, AT_FDCWD, "/proc/2/status", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	fd = world_open(w, c, AT_FDCWD, "/proc/self/environ", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	fd = world_open_path(w, "/proc/2/environ"); /* ours again */
	assert_true(fd >= 0);
	close(fd);
	w->n--;
	close(die[0]);
	close(die[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		T(no_way_leads_to_a_host_process),
		T(links_lead_into_proc_too),
		T(openat2_flags_hold),
		T(another_namespaces_procfs_is_not_there),
		T(other_mounts_of_proc_are_seen_through),
		T(nothing_is_opened_with_more_rights_than_the_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
