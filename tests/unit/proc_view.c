/* The /proc of a container with virtual pids: each path that leads into it, what is there, and that
 * nothing of the host is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "proc_world.h"

static const char *read_path(struct world *w, const char *path)
{
	static char buf[1 << 16];
	_cleanup_close_ int fd = world_open_path(w, path);
	ssize_t n;

	if (fd < 0)
		print_error("%s: %s\n", path, strerror(-fd));
	assert_true(fd >= 0);
	n = fd_read_all(fd, buf, sizeof buf - 1);
	assert_true(n >= 0);
	buf[n] = 0;
	return buf;
}

static void assert_line(struct world *w, const char *path, const char *line)
{
	char want[256];
	const char *text = read_path(w, path);

	snprintf(want, sizeof want, "\n%s\n", line);
	if (!strstr(text, want))
		print_error("%s lacks \"%s\":\n%s\n", path, line, text);
	assert_non_null(strstr(text, want));
}

/* Between the name and the parent is the state, which may be any. */
static void assert_stat(struct world *w, const char *path, const char *head, const char *ids)
{
	const char *text = read_path(w, path);

	assert_memory_equal(text, head, strlen(head));
	assert_memory_equal(text + strlen(head) + 3, ids, strlen(ids));
}

static void assert_link(struct world *w, const char *path, const char *want)
{
	struct proc_caller c = world_caller(w, 5, 5);
	struct proc_answer a;
	char text[256] = "";
	ssize_t n;

	assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, path, PROC_NOFOLLOW, &a), 0);
	n = proc_view_readlink(&w->view, &a, text, sizeof text - 1);
	proc_answer_done(&a);
	assert_true(n >= 0);
	assert_string_equal(text, want);
}

/* The names that getdents(2) gives, in its order, separated by blanks. */
static const char *names_in(int fd)
{
	static char names[4096];
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	size_t n = 0;

	assert_non_null(dir);
	names[0] = 0;
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			n += (size_t)snprintf(names + n, sizeof names - n, "%s ", d->d_name);
	closedir(dir);
	return names;
}

static void a_process_reads_its_own_numbers(void **state)
{
	struct world *w = *state;

	assert_stat(w, "/proc/5/stat", "5 (caller) S 1)", "1 5 5 0 -1 ");
	assert_stat(w, "/proc/self/stat", "5 (caller) S 1)", "1 5 5 0 -1 ");
	assert_line(w, "/proc/self/status", "Pid:\t5");
	assert_line(w, "/proc/self/status", "Tgid:\t5");
	assert_line(w, "/proc/self/status", "PPid:\t1");
	assert_line(w, "/proc/self/status", "NSpid:\t5");
	assert_line(w, "/proc/self/status", "NSsid:\t5");
	assert_line(w, "/proc/2/status", "NSsid:\t1");
}

static void init_has_no_parent(void **state)
{
	struct world *w = *state;

	assert_stat(w, "/proc/1/stat", "1 (init)", "0 1 1 0 -1 ");
	assert_line(w, "/proc/1/status", "PPid:\t0");
}

static void threads_are_reached_by_both_paths(void **state)
{
	struct world *w = *state;

	assert_stat(w, "/proc/2/task/3/stat", "3 (a (b) c)", "1 1 1 ");
	assert_stat(w, "/proc/3/stat", "3 (a (b) c)", "1 1 1 ");
	assert_line(w, "/proc/4/status", "Tgid:\t2");
	assert_line(w, "/proc/3/task/4/status", "Pid:\t4");
	assert_int_equal(world_open_path(w, "/proc/2/task/5/stat"), -ENOENT);
	assert_int_equal(world_open_path(w, "/proc/2/task/1"), -ENOENT);
	assert_string_equal(read_path(w, "/proc/1/task/1/children"), "2 5 ");
}

static void self_is_the_caller(void **state)
{
	struct world *w = *state;
	struct proc_caller thread = world_caller(w, 2, 4);
	struct proc_answer a;
	char text[64] = "";

	assert_link(w, "/proc/self", "5");
	assert_link(w, "/proc/thread-self", "5/task/5");
	assert_int_equal(proc_view_resolve(&w->view, &thread, AT_FDCWD, "/proc/thread-self",
					   PROC_NOFOLLOW, &a), 0);
	assert_int_equal(proc_view_readlink(&w->view, &a, text, sizeof text), 8);
	assert_string_equal(text, "2/task/4");
	proc_answer_done(&a);
	assert_int_equal(proc_view_resolve(&w->view, &thread, AT_FDCWD, "/proc/thread-self/comm", 0, &a), 0);
	assert_int_equal(a.what, PROC_NATIVE);
	assert_string_equal(a.place.guest, "2/task/4/comm");
	proc_answer_done(&a);
}

static void a_listing_has_the_containers_processes_only(void **state)
{
	struct world *w = *state;
	int fd = world_open_path(w, "/proc");
	const char *names, *self;

	assert_true(fd >= 0);
	names = names_in(fd);
	self = strstr(names, "self thread-self ");
	assert_non_null(self);
	assert_string_equal(self, "self thread-self 1 2 5 ");
	assert_non_null(strstr(names, "meminfo "));
	for (const char *p = names; p < self; p = strchr(p, ' ') + 1)
		assert_false(*p >= '0' && *p <= '9');
	assert_string_equal(names_in(world_open_path(w, "/proc/2/task")), "2 3 4 ");
	assert_string_equal(names_in(world_open_path(w, "/proc/self/task/")), "5 ");
}

static void a_process_directory_lists_what_can_be_opened(void **state)
{
	struct world *w = *state;
	char names[4096], path[300];

	snprintf(names, sizeof names, "%s", names_in(world_open_path(w, "/proc/5")));
	assert_non_null(strstr(names, "status "));
	for (char *p = strtok(names, " "); p; p = strtok(NULL, " ")) {
		struct proc_caller c = world_caller(w, 5, 5);
		struct proc_answer a;
		struct stat st;
		snprintf(path, sizeof path, "/proc/5/%s", p);
		assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, path, PROC_NOFOLLOW, &a), 0);
		assert_int_equal(proc_view_stat(&w->view, &a, &st), 0);
		proc_answer_done(&a);
	}
}

static void a_listing_may_go_on_while_another_begins(void **state)
{
	struct world *w = *state;
	struct proc_caller init = world_caller(w, 1, 1);
	int first = world_open_path(w, "/proc"), second;
	struct stat a, b;

	w->n--; /* process 5 ends */
	second = world_open(w, init, AT_FDCWD, "/proc", O_RDONLY);
	assert_non_null(strstr(names_in(first), " 1 2 5 "));
	assert_null(strstr(names_in(second), " 5 "));
	w->n++;
	/* Nobody reads either now: the first directory serves again and keeps its identity. */
	first = world_open_path(w, "/proc");
	assert_int_equal(fstat(first, &a), 0);
	assert_non_null(strstr(names_in(first), " 1 2 5 "));
	w->n--;
	second = world_open(w, init, AT_FDCWD, "/proc", O_RDONLY);
	assert_int_equal(fstat(second, &b), 0);
	assert_true(a.st_ino == b.st_ino);
	assert_null(strstr(names_in(second), " 5 "));
	w->n++;
}

static void stat_and_fstat_name_the_same_directory(void **state)
{
	static const char *const paths[] = {"/proc", "/proc/5", "/proc/2/task", "/proc/2/task/3"};
	struct world *w = *state;
	struct proc_caller c = world_caller(w, 5, 5);

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		_cleanup_close_ int fd = -1;
		struct proc_answer a;
		struct stat before, after;
		assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, paths[i], 0, &a), 0);
		assert_int_equal(proc_view_stat(&w->view, &a, &before), 0);
		fd = proc_view_open(&w->view, &a, O_RDONLY | O_DIRECTORY);
		proc_answer_done(&a);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &after), 0);
		assert_true(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
		assert_int_equal(before.st_mode, S_IFDIR | 0555);
		assert_int_equal(after.st_mode, S_IFDIR | 0555);
	}
}

static void a_descriptor_is_known_again(void **state)
{
	struct world *w = *state;
	/* Ours stands for the caller's: the test itself asks, as if it were process 5. */
	struct proc_caller me = {hpid_of(getpid()), hpid_of(getpid())};
	_cleanup_close_ int shadow = world_open_path(w, "/proc/2"), native = world_open_path(w, "/proc/2/fd"), stat;
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_CLOEXEC);
	char place[256];

	assert_int_equal(proc_view_place(&w->view, &me, shadow, place, sizeof place), 0);
	assert_string_equal(place, "/proc/2");
	assert_int_equal(proc_view_place(&w->view, &me, native, place, sizeof place), 0);
	assert_string_equal(place, "/proc/2/fd");
	assert_int_equal(proc_view_place(&w->view, &me, tmp, place, sizeof place), -ENOENT);
	stat = world_open(w, me, shadow, "task/4/../3/stat", O_RDONLY);
	assert_true(stat >= 0);
	close(stat);
	stat = world_open(w, me, native, "../../5/status", O_RDONLY);
	assert_true(stat >= 0);
	close(stat);
	assert_int_equal(world_open(w, me, tmp, "../proc/1/stat", O_RDONLY | O_DIRECTORY), -ENOTDIR);
}

static void the_working_directory_may_be_in_proc(void **state)
{
	struct world *w = *state;
	struct proc_caller me = {hpid_of(getpid()), hpid_of(getpid())}, c = world_caller(w, 5, 5);
	struct proc_answer a;
	char path[4096], place[256], was[4096];

	assert_non_null(getcwd(was, sizeof was));
	assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, "/proc/5/task", 0, &a), 0);
	assert_int_equal(proc_view_enter(&w->view, &a, path, sizeof path), 0);
	proc_answer_done(&a);
	assert_int_equal(chdir(path), 0);
	assert_int_equal(proc_view_place(&w->view, &me, AT_FDCWD, place, sizeof place), 0);
	assert_string_equal(place, "/proc/5/task");
	int fd = world_open(w, me, AT_FDCWD, "5/../../../2/stat", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	/* Out of /proc by .. and in again. */
	fd = world_open(w, me, AT_FDCWD, "../../../proc/2/stat", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chdir(was), 0);
}

static void what_is_not_in_proc_is_left_alone(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_open_path(w, "/etc/passwd"), -EXDEV);
	assert_int_equal(world_open_path(w, "/nowhere/at/all"), -EXDEV);
	assert_int_equal(world_open_path(w, "relative"), -EXDEV);
	assert_int_equal(world_open_path(w, "/"), -EXDEV);
	assert_int_equal(world_open_path(w, ""), -EXDEV);
	assert_int_equal(world_open_path(w, "/procfoo"), -EXDEV);
}

/* A magic link out of /proc: the caller's kernel opens what is behind it, by the host's number. */
static void magic_links_lead_out_under_a_host_path(void **state)
{
	struct world *w = *state;
	struct proc_caller c = world_caller(w, 5, 5);
	struct proc_answer a;
	struct stat st, want;
	char path[128];

	assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, "/proc/1/root/etc/passwd", 0, &a), 0);
	assert_int_equal(a.what, PROC_OUTSIDE);
	assert_int_equal(stat(a.path, &st), 0);
	assert_int_equal(stat("/etc/passwd", &want), 0);
	assert_true(st.st_ino == want.st_ino);
	proc_answer_done(&a);
	assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, "/proc/2/exe", 0, &a), 0);
	assert_int_equal(a.what, PROC_OUTSIDE);
	snprintf(path, sizeof path, "/proc/%d/exe", world_host(w, 2));
	assert_string_equal(a.path, path);
	proc_answer_done(&a);
	assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, "/proc/self/cwd/new/file/", 0, &a), 0);
	assert_int_equal(a.what, PROC_OUTSIDE);
	snprintf(path, sizeof path, "/proc/%d/cwd/new/file/", world_host(w, 5));
	assert_string_equal(a.path, path);
	proc_answer_done(&a);
	assert_int_equal(proc_view_resolve(&w->view, &c, AT_FDCWD, "/dev/stdin", 0, &a), 0);
	assert_int_equal(a.what, PROC_OUTSIDE);
	snprintf(path, sizeof path, "/proc/%d/fd/0", world_host(w, 5));
	assert_string_equal(a.path, path);
	proc_answer_done(&a);
	assert_int_equal(world_open_path(w, "/proc/self/fd/999"), -ENOENT);
}

static void links_to_descriptors_show_no_host_number(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int shadow = world_open_path(w, "/proc/2/task"), native = world_open_path(w, "/proc/2/fd"),
			    text = world_open_path(w, "/proc/2/stat"), raw = open("/proc/self/stat", O_RDONLY);
	char path[64];

	/* Add the test to the container to have its descriptors looked at. */
	w->task[w->n].host = getpid();
	w->task[w->n++].vpid = 9;
	snprintf(path, sizeof path, "/proc/9/fd/%d", shadow);
	assert_link(w, path, "/proc/2/task");
	snprintf(path, sizeof path, "/proc/9/fd/%d", native);
	assert_link(w, path, "/proc/2/fd");
	snprintf(path, sizeof path, "/proc/9/fd/%d", text);
	assert_link(w, path, "/proc/2/stat");
	snprintf(path, sizeof path, "/proc/9/fd/%d", raw);
	assert_link(w, path, "/proc/9/stat");
	assert_link(w, "/proc/9/root", "/");
	/* A descriptor of the kernel's own stat file that came in from outside is opened anew as ours. */
	assert_memory_equal(read_path(w, path), "9 (proc_view) ", 14);
	w->n--;
}

static void generated_files_are_read_like_any_other(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int fd = world_open_path(w, "/proc/5/stat");
	char a[512], b[512];
	ssize_t n = pread(fd, a, sizeof a, 0);

	assert_true(n > 20);
	assert_int_equal(read(fd, b, sizeof b), n);
	assert_memory_equal(a, b, n);
	assert_int_equal(read(fd, b, sizeof b), 0);
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	assert_int_equal(read(fd, b, 4), 4);
	assert_memory_equal(b, a + 2, 4);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	for (int i = 0; i < 2; i++) {
		static const int flags[] = {O_WRONLY, O_RDWR};
		assert_int_equal(world_open(w, world_caller(w, 5, 5), AT_FDCWD, "/proc/5/stat", flags[i]), -EACCES);
		assert_int_equal(world_open(w, world_caller(w, 5, 5), AT_FDCWD, "/proc/5", flags[i]), -EISDIR);
	}
	assert_int_equal(world_open(w, world_caller(w, 5, 5), AT_FDCWD, "/proc/5/stat/", O_RDONLY), -ENOTDIR);
	assert_int_equal(world_open(w, world_caller(w, 5, 5), AT_FDCWD, "/proc/5/stat", O_DIRECTORY), -ENOTDIR);
	assert_int_equal(world_open(w, world_caller(w, 5, 5), AT_FDCWD, "/proc/self", O_NOFOLLOW), -ELOOP);
}

static void a_name_nobody_knows_does_not_exist(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_open_path(w, "/proc/self/nonsense"), -ENOENT);
	assert_int_equal(w->view.unknown, 0); /* the kernel does not have it either */
	assert_int_equal(world_open_path(w, "/proc/nonsense"), -ENOENT);
}

/* Fails when the running kernel has a name in /proc, /proc/PID or /proc/PID/task/TID without a row. */
static void every_name_of_this_kernel_has_a_rule(void **state)
{
	struct world *w = *state;

	close(world_open_path(w, "/proc"));
	close(world_open_path(w, "/proc/2"));
	close(world_open_path(w, "/proc/2/task/3"));
	if (w->view.unknown)
		print_error("no row in src/virtual/proc_rules.c for %s\n", w->view.last_unknown);
	assert_int_equal(w->view.unknown, 0);
}

static void tables_name_the_containers_processes(void **state)
{
	struct world *w = *state;
	const char *last = strrchr(read_path(w, "/proc/loadavg"), ' ');

	assert_string_equal(last, " 5\n");
	assert_non_null(strstr(read_path(w, "/proc/sysvipc/shm"), " 4096     5     5 "));
	assert_string_equal(read_path(w, "/proc/sys/kernel/pid_max"), "4194304\n");
	assert_int_equal(world_open(w, world_caller(w, 5, 5), AT_FDCWD, "/proc/sys/kernel/pid_max", O_WRONLY), -EACCES);
}

static void our_mappings_are_not_shown(void **state)
{
	struct world *w = *state;
	char *first = strdup(read_path(w, "/proc/5/maps")), *second = strchr(first, '\n') + 1, path[80];
	const char *text;

	w->pids.hidden_start = strtoull(first, NULL, 16);
	w->pids.hidden_end = strtoull(second, NULL, 16);
	assert_string_equal(read_path(w, "/proc/5/maps"), second);
	text = read_path(w, "/proc/5/smaps");
	assert_memory_equal(text, second, strcspn(second, "\n"));
	text = read_path(w, "/proc/5/numa_maps");
	assert_memory_equal(text, second, strcspn(second, "-"));
	snprintf(path, sizeof path, "/proc/5/map_files/%.*s", (int)strcspn(first, " "), first);
	assert_int_equal(world_open_path(w, path), -ENOENT);
	text = names_in(world_open_path(w, "/proc/5/map_files"));
	first[strcspn(first, " ")] = 0;
	assert_null(strstr(text, first));
	free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		T(a_process_reads_its_own_numbers),
		T(init_has_no_parent),
		T(threads_are_reached_by_both_paths),
		T(self_is_the_caller),
		T(a_listing_has_the_containers_processes_only),
		T(a_process_directory_lists_what_can_be_opened),
		T(a_listing_may_go_on_while_another_begins),
		T(stat_and_fstat_name_the_same_directory),
		T(a_descriptor_is_known_again),
		T(the_working_directory_may_be_in_proc),
		T(what_is_not_in_proc_is_left_alone),
		T(magic_links_lead_out_under_a_host_path),
		T(links_to_descriptors_show_no_host_number),
		T(generated_files_are_read_like_any_other),
		T(a_name_nobody_knows_does_not_exist),
		T(tables_name_the_containers_processes),
		T(our_mappings_are_not_shown),
		T(every_name_of_this_kernel_has_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
