/* /proc: the container's processes under the container's numbers, and nothing else. */
#include "case.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>

static bool is_listed(const char *dir, long pid)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool found = false;

	BD_CHECK(d != NULL);
	while ((e = readdir(d)))
		found |= isdigit(e->d_name[0]) && atol(e->d_name) == pid;
	closedir(d);
	return found;
}

static int count_listed(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	BD_CHECK(d != NULL);
	while ((e = readdir(d)))
		n += isdigit(e->d_name[0]) != 0;
	closedir(d);
	return n;
}

static void lists_who_is_inside(void)
{
	pid_t a = bd_sleeper(), b = bd_sleeper();

	BD_CHECK(is_listed("/proc", 1));
	BD_CHECK(is_listed("/proc", raw(SYS_getpid)));
	BD_CHECK(is_listed("/proc", a) && is_listed("/proc", b));
	BD_EQ(count_listed("/proc"), 4);
	bd_end(a);
	BD_CHECK(!is_listed("/proc", a));
	BD_EQ(count_listed("/proc"), 3);
	bd_end(b);
}

static void self_and_thread_self(void)
{
	char link[64], want[64];
	ssize_t n;

	n = BD_DO(raw(SYS_readlink, "/proc/self", link, sizeof(link) - 1));
	link[n] = 0;
	BD_EQ(atol(link), raw(SYS_getpid));
	n = BD_DO(raw(SYS_readlinkat, AT_FDCWD, "/proc/thread-self", link, sizeof(link) - 1));
	link[n] = 0;
	snprintf(want, sizeof(want), "%ld/task/%ld", raw(SYS_getpid), raw(SYS_gettid));
	BD_CHECK(!strcmp(link, want));
	BD_EQ(atol(bd_line("/proc/self/status", "Pid:") ?: "-1"), raw(SYS_getpid));
	BD_EQ(atol(bd_line("/proc/thread-self/status", "Pid:") ?: "-1"), raw(SYS_gettid));
}

static void numbers_in_stat_and_status(void)
{
	pid_t child = bd_sleeper();
	char path[64];

	BD_DO(raw(SYS_setpgid, child, 0));
	BD_EQ(bd_stat_field(child, 1 + 3), raw(SYS_getpid));
	BD_EQ(bd_stat_field(child, 5), child);
	BD_EQ(bd_stat_field(child, 6), raw(SYS_getsid, 0));
	snprintf(path, sizeof(path), "/proc/%d/status", child);
	BD_EQ(atol(bd_line(path, "Tgid:") ?: "-1"), child);
	BD_EQ(atol(bd_line(path, "Pid:") ?: "-1"), child);
	BD_EQ(atol(bd_line(path, "PPid:") ?: "-1"), raw(SYS_getpid));
	BD_EQ(atol(bd_line(path, "TracerPid:") ?: "-1"), 0);
	BD_EQ(atol(bd_line(path, "NSpid:") ?: "-1"), child);
	BD_EQ(atol(bd_line(path, "NSpgid:") ?: "-1"), child);
	BD_CHECK(!strchr(bd_line(path, "NSpid:"), '\t'));
	BD_EQ(atol(bd_line("/proc/1/status", "PPid:") ?: "-1"), 0);
	bd_end(child);
}

static _Atomic int tid, stop;

static void *body(void *arg)
{
	tid = (int)raw(SYS_gettid);
	while (!stop)
		raw(SYS_sched_yield);
	return NULL;
}

static void tasks_of_a_process(void)
{
	char path[64];
	pthread_t t;

	BD_PT(pthread_create(&t, NULL, body, NULL));
	BD_UNTIL(tid);
	BD_EQ(count_listed("/proc/self/task"), 2);
	BD_CHECK(is_listed("/proc/self/task", tid));
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	BD_EQ(atol(bd_line(path, "Pid:") ?: "-1"), tid);
	BD_EQ(atol(bd_line(path, "Tgid:") ?: "-1"), raw(SYS_getpid));
	/* Not listed, but there, as proc(5) tells. */
	BD_CHECK(!is_listed("/proc", tid));
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	BD_EQ(atol(bd_line(path, "Tgid:") ?: "-1"), raw(SYS_getpid));
	stop = 1;
	BD_PT(pthread_join(t, NULL));
}

static void children_and_loadavg(void)
{
	char path[64], text[256], want[64];
	pid_t a = bd_sleeper(), b = bd_sleeper();
	double one, five, fifteen;
	int running, all, last;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", raw(SYS_gettid));
	snprintf(want, sizeof(want), "%d %d ", a, b);
	if (bd_slurp(path, text, sizeof(text)) >= 0)
		BD_CHECK(!strcmp(text, want));
	BD_OP(bd_slurp("/proc/loadavg", text, sizeof(text)), >, 0);
	BD_EQ(sscanf(text, "%lf %lf %lf %d/%d %d", &one, &five, &fifteen, &running, &all, &last), 6);
	BD_EQ(last, b);
	bd_end(a);
	bd_end(b);
}

static void locks_name_their_holders(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_len = 10 };
	char path[4096], line[256];
	bool found = false;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/proc_lock", getenv("BD_DIR"));
	fd = BD_SYS(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	BD_SYS(fcntl(fd, F_SETLK, &l));
	f = fopen("/proc/locks", "re");
	BD_CHECK(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		int n, pid;

		if (sscanf(line, "%d: POSIX ADVISORY WRITE %d", &n, &pid) == 2)
			found |= pid == (int)raw(SYS_getpid);
		if (sscanf(line, "%d: %*s %*s %*s %d", &n, &pid) == 2)
			BD_OP(pid, <, 3000);
	}
	fclose(f);
	BD_CHECK(found);
}

static void nobody_outside(void)
{
	pid_t all[BD_OUTSIDE_MAX];
	int n = bd_outside(all);
	struct stat st;
	char path[128];

	for (int i = 0; i < n; i++) {
		const char *below[] = { "", "/stat", "/task", "/fd", "/cwd", "/exe", "/ns/pid", "/root" };

		for (size_t k = 0; k < sizeof(below) / sizeof(below[0]); k++) {
			snprintf(path, sizeof(path), "/proc/%d%s", all[i], below[k]);
			BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
			BD_ERR(raw(SYS_open, path, O_PATH), ENOENT);
			BD_ERR(raw(SYS_newfstatat, AT_FDCWD, path, &st, 0), ENOENT);
			BD_ERR(raw(SYS_access, path, 0), ENOENT);
			BD_ERR(raw(SYS_chdir, path), ENOENT);
		}
		BD_CHECK(!is_listed("/proc", all[i]));
		snprintf(path, sizeof(path), "/proc/self/task/%d", all[i]);
		BD_ERR(raw(SYS_open, path, O_RDONLY), ENOENT);
	}
}

const struct bd_case bd_cases[] = {
	{ "lists who is inside", lists_who_is_inside },
	{ "self and thread-self", self_and_thread_self },
	{ "numbers in stat and status", numbers_in_stat_and_status },
	{ "tasks of a process", tasks_of_a_process },
	{ "children, and the last number in loadavg", children_and_loadavg },
	{ "locks name their holders", locks_name_their_holders },
	{ "nobody outside", nobody_outside },
	{},
};
