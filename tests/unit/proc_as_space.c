/* The kernel's own answer is the reference: the same small tree (proc_world.h) runs in a PID namespace with its
 * own /proc and under a view of the host's /proc, and each file that the view rewrites must read alike. What
 * differs from one run of a program to the next, times, memory sizes, inode numbers, is taken out. Files in which
 * the kernel counts from the namespace of whoever opens them (loadavg, sysvipc, sys) are not here but in
 * proc_text.c: we stand outside. */
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

struct pair {
	struct world ours, space;
};

/* No filter is on these processes, so nothing is to be hidden. */
static void no_traces(void *arg, struct hpid task, struct proc_traces *ret)
{
	*ret = (struct proc_traces){0};
}

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof *p);

	*state = p;
	if (!world_new_space(&p->space))
		return 0;
	world_new(&p->ours);
	p->ours.pids.traces = no_traces;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	if (p->space.n) {
		world_done(&p->ours);
		world_done(&p->space);
	}
	free(p);
	return 0;
}

/* open(2) below /proc of the namespace, by us, who see it from outside. */
static int open_space(const struct pair *p, const char *path)
{
	char at[512];
	int fd;

	snprintf(at, sizeof at, "/proc/%d/root/proc/%s", p->space.init, path);
	fd = open(at, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_ours(struct pair *p, const char *path)
{
	struct proc_caller c = world_caller(&p->ours, 5, 5);
	struct proc_answer a;
	char at[512];
	int fd;

	snprintf(at, sizeof at, "/proc/%s", path);
	fd = proc_view_resolve(&p->ours.view, &c, AT_FDCWD, at, 0, &a);
	if (fd < 0)
		return fd;
	assert_true(a.what == PROC_TEXT || a.what == PROC_LIST || a.what == PROC_NATIVE);
	fd = proc_view_open(&p->ours.view, &a, O_RDONLY);
	proc_answer_done(&a);
	return fd;
}

static char *text_of(int fd)
{
	static char path[32];
	char *text;

	assert_true(fd >= 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(fd_slurp_at(AT_FDCWD, path, &text, NULL), 0);
	close(fd);
	return text;
}

typedef void normalizer(char *text, const char *own_inode);

static void compare(struct pair *p, const char *path, normalizer *normalize)
{
	_cleanup_free_ char *ours = text_of(open_ours(p, path)), *space = text_of(open_space(p, path));
	struct stat st;
	char inode[32];

	struct world *both[] = {&p->ours, &p->space};
	for (int i = 0; i < 2; i++) {
		char lock[80];
		snprintf(lock, sizeof lock, "%s/lock", both[i]->dir);
		assert_int_equal(stat(lock, &st), 0);
		snprintf(inode, sizeof inode, ":%lu ", (unsigned long)st.st_ino);
		normalize(i ? space : ours, inode);
	}
	assert_true(*space);
	if (strcmp(ours, space))
		print_error("/proc/%s\n", path);
	assert_string_equal(ours, space);
}

/* Keeps the lines that keep() wants, in place. */
static void keep_lines(char *text, const char *own_inode, bool (*keep)(char *line, const char *own_inode))
{
	char *to = text;

	for (char *line = text, *next; *line; line = next) {
		size_t n = strcspn(line, "\n");
		next = line + n + (line[n] == '\n');
		line[n] = 0;
		if (keep(line, own_inode)) {
			n = strlen(line);
			memmove(to, line, n);
			to += n;
			*to++ = '\n';
		}
	}
	*to = 0;
}

/* pid, name, the state unless it sleeps, parent to tpgid; threads; signals. */
static void normalize_stat(char *text, const char *own_inode)
{
	char kept[512], *p = strrchr(text, ')') + 2;
	size_t n = (size_t)snprintf(kept, sizeof kept, "%.*s", (int)(p - text), text);
	int field = 3;

	for (char *word = strtok(p, " \n"); word; word = strtok(NULL, " \n"), field++)
		if ((field >= 4 && field <= 8) || field == 20 || (field >= 31 && field <= 34) || field == 38)
			n += (size_t)snprintf(kept + n, sizeof kept - n, "%s ", word);
	assert_true(field > 50);
	strcpy(text, kept);
}

static bool keep_status(char *line, const char *own_inode)
{
	static const char *const drop[] = {"Vm", "Rss", "voluntary_", "nonvoluntary_", "State:", "Hugetlb", "FDSize:",
					   "SigQ:", "Cap" /* all, in an own user namespace */};

	for (size_t i = 0; i < sizeof drop / sizeof *drop; i++)
		if (!strncmp(line, drop[i], strlen(drop[i])))
			return false;
	return true;
}

static void normalize_status(char *text, const char *own_inode)
{
	keep_lines(text, own_inode, keep_status);
}

static void normalize_first_line(char *text, const char *own_inode)
{
	text[strcspn(text, "\n")] = 0;
}

static void normalize_nothing(char *text, const char *own_inode)
{
}

/* Our own file's locks, without their running number and device. */
static bool keep_lock(char *line, const char *own_inode)
{
	char *colon = strchr(line, ':'), *inode = strstr(line, own_inode);

	if (!inode)
		return false;
	memmove(inode - 5, inode + strlen(own_inode), strlen(inode + strlen(own_inode)) + 1);
	memmove(line, colon + 1, strlen(colon + 1) + 1);
	return true;
}

static void normalize_locks(char *text, const char *own_inode)
{
	keep_lines(text, own_inode, keep_lock);
}

static bool keep_fdinfo(char *line, const char *own_inode)
{
	if (!strncmp(line, "lock:\t", 6)) {
		memmove(line, line + 6, strlen(line + 6) + 1);
		return keep_lock(line, own_inode);
	}
	return strncmp(line, "ino:", 4) && strncmp(line, "mnt_id:", 7);
}

static void normalize_fdinfo(char *text, const char *own_inode)
{
	keep_lines(text, own_inode, keep_fdinfo);
}

/* Which mappings there are, not how many pages of them. */
static bool keep_mapping(char *line, const char *own_inode)
{
	return line[0] >= 'a' || (line[0] >= '0' && line[0] <= '9');
}

static void normalize_smaps(char *text, const char *own_inode)
{
	keep_lines(text, own_inode, keep_mapping);
}

static void normalize_numa_maps(char *text, const char *own_inode)
{
	char *to = text;

	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n"), k = strcspn(line, " ");
		memmove(to, line, k);
		to += k;
		*to++ = '\n';
		line += n + (line[n] == '\n');
	}
	*to = 0;
}

static struct pair *both(void **state)
{
	struct pair *p = *state;

	if (!p->space.n) {
		print_message("no PID namespace for this user\n");
		skip();
	}
	return p;
}

static void every_task_reads_alike(void **state)
{
	static const char *const tasks[] = {"1", "2", "3", "5", "2/task/2", "2/task/3", "3/task/4", "5/task/5"};
	static const struct {
		const char *name;
		normalizer *normalize;
	} files[] = {
		{"stat", normalize_stat}, {"status", normalize_status}, {"sched", normalize_first_line},
		{"maps", normalize_nothing}, {"smaps", normalize_smaps}, {"numa_maps", normalize_numa_maps},
	};
	struct pair *p = both(state);
	char path[64];

	for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
		for (size_t j = 0; j < sizeof files / sizeof *files; j++) {
			/* The segment's inode differs. */
			if (tasks[i][0] == '5' && strstr(files[j].name, "maps"))
				continue;
			snprintf(path, sizeof path, "%s/%s", tasks[i], files[j].name);
			compare(p, path, files[j].normalize);
		}
	compare(p, "5/timers", normalize_nothing);
	compare(p, "1/task/1/children", normalize_nothing);
}

static void locks_and_descriptors_read_alike(void **state)
{
	struct pair *p = both(state);

	compare(p, "locks", normalize_locks);
	compare(p, "5/fdinfo/200", normalize_fdinfo);
	compare(p, "5/fdinfo/201", normalize_fdinfo);
}

static void list_names(int fd, char *ret, size_t size)
{
	DIR *dir;
	struct dirent *d;
	size_t n = 0;

	assert_true(fd >= 0);
	dir = fdopendir(fd);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		n += (size_t)snprintf(ret + n, size - n, "%s:%d\n", d->d_name, d->d_type);
	closedir(dir);
}

/* Names, types and order. */
static void directories_list_alike(void **state)
{
	static const char *const paths[] = {"", "1", "5", "2/task", "2/task/3", "3", "3/task",
					    "5/ns", "5/attr", "sys/kernel"};
	struct pair *p = both(state);
	char ours[16384], space[16384];

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		list_names(open_ours(p, paths[i]), ours, sizeof ours);
		list_names(open_space(p, paths[i]), space, sizeof space);
		if (strcmp(ours, space))
			print_error("/proc/%s\n", paths[i]);
		assert_string_equal(ours, space);
	}
}

static void what_does_not_exist_fails_alike(void **state)
{
	static const char *const paths[] = {
		"3/task/2/x", "4", "6", "6/stat", "0", "-1", "01", "1x", "self/", "2/task/5", "2/task/x", "2/task/02", "1/stat/",
		"1/stat/x", "1/fd/", "1/fd/999", "1/fd/x", "1/fdinfo/999", "1/ns/x", "sys/x", "net/x", "1/task/1/task",
		"2/task/3/map_files", "nowhere", "1/exe/", "1/exe/x", "1/cwd/nowhere-here", "mounts/", "meminfo/",
	};
	struct pair *p = both(state);

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct proc_caller c = world_caller(&p->ours, 5, 5);
		struct proc_answer a;
		char at[512];
		int ours, space = open_space(p, paths[i]);
		snprintf(at, sizeof at, "/proc/%s", paths[i]);
		ours = proc_view_resolve(&p->ours.view, &c, AT_FDCWD, at, 0, &a);
		if (ours == 0) {
			ours = a.what == PROC_OUTSIDE ? open(a.path, O_RDONLY | O_CLOEXEC)
						      : proc_view_open(&p->ours.view, &a, O_RDONLY);
			if (ours < 0 && a.what == PROC_OUTSIDE)
				ours = -errno;
			proc_answer_done(&a);
		}
		/* "self" we are not ourselves in that namespace. */
		if (strncmp(paths[i], "self", 4) && strncmp(paths[i], "net", 3) && strncmp(paths[i], "mounts", 6) &&
		    (ours < 0 ? ours : 0) != (space < 0 ? space : 0)) {
			print_error("/proc/%s: %d, not %d\n", paths[i], ours, space);
			fail();
		}
		if (ours >= 0)
			close(ours);
		if (space >= 0)
			close(space);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(every_task_reads_alike),
		T(locks_and_descriptors_read_alike),
		T(directories_list_alike),
		T(what_does_not_exist_fails_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
