/* Every call that takes a path, on every way to a place in /proc: it makes no difference which. */
#include "path_calls.h"

static pid_t child;
static char dir[512]; /* with the links below */

/* Places: what is behind the number of a process. */
static const char *const places[] = { "", "/stat", "/ns/uts", "/cwd", "/nothing", "/task/nothing" };
enum { PLACES = sizeof(places) / sizeof(places[0]) };

/* What is tried on a directory that would remember it. */
static bool only_looks(long nr)
{
	static const long all[] = { SYS_open, SYS_openat, SYS_openat2, SYS_stat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_access,
				    SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat, SYS_chdir, SYS_statfs };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == nr)
			return true;
	return false;
}

/* From `cwd`, or from a descriptor of it, %p is the number, %s the place, %d the directory of links, %f a descriptor
 * of /proc. */
static const struct way {
	const char *title, *cwd, *path;
	bool of_the_child; /* there is no such way to anybody else */
	bool is_link;      /* the last component is a link of ours, so not for calls that mean a link itself */
} ways[] = {
	{ "absolute", "/", "/proc/%p%s" }, /* with which all the others are compared */
	{ "relative", "/", "proc/%p%s" },
	{ "from /proc", "/proc", "%p%s" },
	{ "from /proc by itself", "/proc", "./self/../%p%s" },
	{ "from the process's directory", "/proc/%p", ".%s", .of_the_child = true },
	{ "from below it", "/proc/%p/task", "..%s", .of_the_child = true },
	{ "over ..", "/", "/proc/self/../%p%s" },
	{ "over /proc/..", "/", "/proc/../proc//%p%s" },
	{ "over a link to /proc", "/", "%d/absolute/%p%s" },
	{ "over a relative link to /proc", "/", "%d/relative/%p%s" },
	{ "over two links", "/", "%d/two/%p%s" },
	{ "over a link to the root directory", "/", "%d/root/proc/%p%s" },
	{ "over a link to the root directory and no more", "%d", "root/dev/../proc/%p%s" },
	{ "over a link to the process's directory", "/", "%d/process%s", .of_the_child = true, .is_link = true },
	{ "by a link to the place", "/", "%d/place", .of_the_child = true, .is_link = true },
	{ "by a link to a link to the place", "/", "%d/to-place", .of_the_child = true, .is_link = true },
	{ "from the links' directory", "%d", "absolute/%p%s" },
	{ "by the root link of a process", "/", "/proc/self/root/proc/%p%s" },
	{ "by the working directory of a process", "/proc", "/proc/self/cwd/%p%s" },
	{ "by a descriptor's link", "/", "/proc/self/fd/%f/%p%s" },
	{ "by a descriptor's link in /dev", "/", "/dev/fd/%f/%p%s" },
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static int proc_fd;

static void expand(char *to, const char *format, pid_t pid, const char *place)
{
	for (*to = 0; *format; format++) {
		if (*format != '%')
			strncat(to, format, 1);
		else if (*++format == 'p')
			sprintf(to + strlen(to), "%d", (int)pid);
		else if (*format == 'f')
			sprintf(to + strlen(to), "%d", proc_fd);
		else
			strcat(to, *format == 'd' ? dir : place);
	}
}

static void link_to(const char *name, const char *format, const char *place)
{
	char path[1024], target[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	expand(target, format, child, place);
	BD_SYS(symlink(target, path));
}

static void make_links(void)
{
	snprintf(dir, sizeof(dir), "%s/ways", getenv("BD_DIR"));
	snprintf(beside, sizeof(beside), "%s/no/such/directory", dir);
	BD_CHECK(mkdir(dir, 0755) == 0 || errno == EEXIST);
	link_to("absolute", "/proc", "");
	link_to("relative", "../../../../../../../../../../../../../../proc", "");
	link_to("two", "absolute", "");
	link_to("root", "/", "");
	link_to("process", "/proc/%p", "");
	link_to("to-place", "place", "");
	proc_fd = BD_SYS(open("/proc", O_PATH | O_CLOEXEC));
}

static bool means_a_link_itself(long nr)
{
	static const long all[] = { SYS_lstat, SYS_readlink, SYS_readlinkat, SYS_lsetxattr, SYS_lgetxattr, SYS_llistxattr,
				    SYS_lremovexattr, SYS_lchown, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_rename,
				    SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_mkdir, SYS_mkdirat, SYS_rmdir,
				    SYS_mknod, SYS_mknodat, SYS_name_to_handle_at, SYS_move_mount };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == nr)
			return true;
	return false;
}

static bool may_try(const struct call *c, const struct way *w, pid_t pid, const char *place)
{
	if (!*place && (w->path[0] == '.')) /* "." is no name: unlink(2) says so */
		return false;
	if ((w->of_the_child || !c->machine) && pid == child)
		return !c->machine && !(w->is_link && means_a_link_itself(c->nr));
	return !w->of_the_child;
}

/* from: a descriptor that stands in for the working directory, or AT_FDCWD. False: the call takes none. */
static bool try(const struct call *c, int from, const char *path, long *ret)
{
	struct call with = *c;
	bool has = false;

	for (int i = 1; i < 6; i++)
		if (c->arg[i] == PATH && c->arg[i - 1] == CWD) {
			with.arg[i - 1] = from;
			has = true;
		}
	if (from == AT_FDCWD || has)
		*ret = call_on(&with, path);
	return from == AT_FDCWD || has;
}

static void on_way(const struct call *c, const struct way *w, pid_t pid, const char *place, long wanted, const char *text)
{
	char path[2048], cwd[1024];
	int from;
	long answer;

	expand(path, w->path, pid, place);
	expand(cwd, w->cwd, pid, place);
	BD_DO(raw(SYS_chdir, cwd));
	for (int k = 0; k < 1 + (path[0] != '/'); k++) {
		from = k ? (int)BD_DO(raw(SYS_open, ".", O_PATH | O_CLOEXEC)) : AT_FDCWD;
		if (k)
			BD_DO(raw(SYS_chdir, dir));
		if (!try(c, from, path, &answer))
			answer = wanted;
		if (answer != wanted || (text && !k && memcmp(buffer, text, 64)))
			BD_FAIL("%s(%s), %s%s: %ld (%s) \"%.64s\", not %ld (%s) \"%.64s\"", c->name, path, w->title,
				k ? ", from a descriptor" : "", answer, answer < 0 ? strerror((int)-answer) : "", buffer, wanted,
				wanted < 0 ? strerror((int)-wanted) : "", text ? text : "");
		if (k)
			raw(SYS_close, from);
	}
}

static void everywhere(const struct call *c, pid_t pid, const char *place)
{
	bool reads_link = c->nr == SYS_readlink || c->nr == SYS_readlinkat;
	char path[1024], text[64];
	long wanted;

	if ((pid == child && c->machine) || (!strcmp(place, "/cwd") && !only_looks(c->nr)))
		return;
	expand(path, ways[0].path, pid, place);
	BD_DO(raw(SYS_chdir, "/"));
	wanted = call_on(c, path);
	memcpy(text, buffer, sizeof(text));
	for (int k = 0; k < WAYS && wanted != -ENOSYS; k++)
		if (may_try(c, &ways[k], pid, place))
			on_way(c, &ways[k], pid, place, wanted, reads_link ? text : NULL);
}

static void of_a_process_inside(void)
{
	child = bd_sleeper();
	make_links();
	prepare();
	for (int p = 0; p < PLACES; p++) {
		link_to("place", "/proc/%p%s", places[p]);
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
			everywhere(&calls[i], child, places[p]);
	}
	bd_end(child);
}

/* With virtual pids, what a hidden way leads through and out again of is not noticed. It gets no further than to the container's
 * own processes, by the host's numbers: Landlock. */
static bool leads_out(const char *place)
{
	return bd_virtual() && (!strcmp(place, "/ns/uts") || !strcmp(place, "/cwd"));
}

static void of_nobody(void)
{
	pid_t all[BD_OUTSIDE_MAX];
	int n = bd_outside(all);

	child = bd_sleeper();
	make_links();
	prepare();
	for (int k = 0; k < n; k++)
		for (int p = 0; p < PLACES; p++)
			for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !leads_out(places[p]); i++)
				everywhere(&calls[i], all[k], places[p]);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "all calls on a process inside, on all ways", of_a_process_inside },
	{ "all calls on nobody, on all ways", of_nobody },
	{},
};
