/* What a path names: path_resolution(7) again, one component at a time, in the caller's eyes. Outside
 * /proc the file system is asked; inside, a place (proc_place.h) is kept beside the kernel's directory, so
 * that each number is converted before the kernel sees it, whichever way led there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "virtual/proc_as_caller.h"
#include "virtual/proc_place.h"
#include "virtual/proc_shadow.h"

#define LINKS_MAX 40 /* MAXSYMLINKS, include/linux/namei.h */

struct walk {
	struct proc_view *v;
	const struct proc_caller *c;
	unsigned flags;
	int root, cur; /* O_PATH */
	struct stat root_st, st;
	bool in_proc;
	bool met; /* /proc was on the way: the caller cannot use the path as it is */
	struct proc_place place; /* in_proc */
	char mount[PROC_PATH_MAX]; /* a path to the procfs of place */
	char text[PROC_PATH_MAX]; /* !in_proc: a path to cur that the caller can use, "" is / */
	char start[PROC_PATH_MAX]; /* text of root */
	char rest[PROC_PATH_MAX]; /* what is still to be walked */
	bool slash; /* behind the last component: a directory is asked for */
	int links;
};

static void walk_done(struct walk *w)
{
	fd_closep(&w->root);
	fd_closep(&w->cur);
}

static int same_object(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Moves to fd, which it takes. */
static int move(struct walk *w, int fd)
{
	if (fd < 0)
		return -errno;
	fd_closep(&w->cur);
	w->cur = fd;
	return fstat(fd, &w->st) < 0 ? -errno : 0;
}

static int append_text(char *text, const char *name)
{
	size_t n = strlen(text), k = strlen(name);

	if (n + k + 2 > PROC_PATH_MAX)
		return -ENAMETOOLONG;
	text[n] = '/';
	memcpy(text + n + 1, name, k + 1);
	return 0;
}

/* Stands at a place known by its path only, a shadow's or a procfs descriptor's: in our own procfs. */
static int enter_place(struct walk *w)
{
	w->in_proc = w->met = true;
	strcpy(w->mount, "/proc");
	return move(w, openat(w->v->proc_fd, w->place.host[0] ? w->place.host : ".",
			      O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/* A path to the place, with the host's numbers. */
static void place_text(const struct walk *w, char ret[PROC_PATH_MAX])
{
	/* What is too long for a system call is cut: the answer's descriptor is what counts. */
	snprintf(ret, PROC_PATH_MAX, "%s%s%s", w->mount, w->place.host[0] ? "/" : "", w->place.host);
}

/* Takes stock after a jump (a descriptor, a working directory, a magic link) to cur. */
static int look_around(struct walk *w)
{
	char text[PROC_PATH_MAX], place[PROC_PLACE_MAX];
	int r;

	w->in_proc = false;
	if (proc_on_procfs(w->cur)) {
		w->met = true;
		r = proc_is_known(w->v, w->st.st_dev) || proc_is_ours(w->v, w->cur) ? 0 : -ENOENT;
		if (r == 0)
			r = proc_place_of_fd(w->v, w->c, w->cur, &w->place);
		return r < 0 ? r : enter_place(w);
	}
	if (!S_ISDIR(w->st.st_mode) || proc_fd_text(w->v, w->cur, text, sizeof text) < 0 ||
	    proc_shadow_place(w->v->shadow, text, place, sizeof place) < 0)
		return 0;
	w->met = true;
	r = proc_place_parse(w->v, place, &w->place);
	return r < 0 ? r : enter_place(w);
}

static int make_root(struct walk *w)
{
	fd_closep(&w->root);
	w->root = fcntl(w->cur, F_DUPFD_CLOEXEC, 0);
	w->root_st = w->st;
	return w->root < 0 ? -errno : 0;
}

/* Where the walk begins. The links of /proc/PID are followed with our own rights: it is the caller's own. */
static int walk_begin(struct walk *w, int dirfd, const char *path)
{
	char at[64];
	int r, n = snprintf(at, sizeof at, "%d/task/%d/root", w->c->tgid.n, w->c->tid.n);

	w->root = openat(w->v->proc_fd, at, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->root < 0 && errno == EACCES) /* undumpable: who is so has nearly always the same root */
		w->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->root < 0 || fstat(w->root, &w->root_st) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (path[0] == '/' && w->flags & PROC_BENEATH)
		return -EXDEV;
	if (path[0] == '/' && !(w->flags & PROC_IN_ROOT))
		return move(w, fcntl(w->root, F_DUPFD_CLOEXEC, 0));
	if (dirfd == AT_FDCWD)
		strcpy(at + n - 4, "cwd");
	else
		snprintf(at + n - 4, sizeof at - (size_t)n + 4, "fd/%d", dirfd);
	r = move(w, openat(w->v->proc_fd, at, O_PATH | O_CLOEXEC));
	if (r < 0)
		return r == -ENOENT && dirfd != AT_FDCWD ? -EBADF : r;
	snprintf(w->text, sizeof w->text, "/proc/%s", at);
	if (w->flags & PROC_IN_ROOT)
		strcpy(w->start, w->text);
	r = look_around(w);
	if (r == 0 && w->flags & (PROC_BENEATH | PROC_IN_ROOT)) /* nothing is above where it begins */
		r = make_root(w);
	return r;
}

/* Begins again at the root, for a link with an absolute text. With PROC_IN_ROOT that may be in /proc. */
static int restart(struct walk *w)
{
	int r = move(w, fcntl(w->root, F_DUPFD_CLOEXEC, 0));

	if (r < 0)
		return r;
	strcpy(w->text, w->start);
	if (w->flags & PROC_IN_ROOT)
		return look_around(w);
	w->in_proc = false;
	return 0;
}

/* Puts a link's text in front of what is left. */
static int follow_text(struct walk *w, const char *text)
{
	char rest[PROC_PATH_MAX];
	int n;

	if (++w->links > LINKS_MAX || w->flags & PROC_NO_SYMLINKS)
		return -ELOOP;
	if (*text == '/' && w->flags & (PROC_BENEATH | PROC_NO_XDEV))
		return -EXDEV;
	if (!*text)
		return -ENOENT;
	if (!*w->rest && text[strlen(text) - 1] == '/')
		w->slash = true;
	n = snprintf(rest, sizeof rest, "%s%s%s", text, *w->rest ? "/" : "", w->rest);
	if (n < 0 || (size_t)n >= sizeof rest)
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, (size_t)n + 1);
	return *text == '/' ? restart(w) : 0;
}

static int follow_fd_text(struct walk *w, int link)
{
	char text[PROC_PATH_MAX];
	ssize_t n = readlinkat(link, "", text, sizeof text - 1);

	if (n < 0)
		return -errno;
	text[n] = 0;
	return follow_text(w, text);
}

/* /proc/self and /proc/thread-self are the caller's, not ours. */
static int follow_self(struct walk *w)
{
	char text[48];
	ssize_t n = proc_self_text(w->v, w->c, w->place.guest, text, sizeof text);
	int r;

	if (n < 0)
		return (int)n;
	r = proc_place_parent(w->v, &w->place);
	return r < 0 ? r : follow_text(w, text);
}

/* Jumps to what a magic link leads to. link is its name in cur. */
static int follow_magic(struct walk *w, const char *link)
{
	struct proc_as_caller as;
	int r, fd;

	if (++w->links > LINKS_MAX || w->flags & (PROC_NO_SYMLINKS | PROC_NO_MAGICLINKS))
		return -ELOOP;
	if (w->flags & (PROC_BENEATH | PROC_IN_ROOT | PROC_NO_XDEV))
		return -EXDEV;
	r = proc_as_caller_begin(w->v, w->c, w->place.task, &as);
	fd = r < 0 ? -1 : openat(w->cur, link, O_PATH | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = -errno;
	proc_as_caller_end(&as);
	if (r < 0)
		return r;
	place_text(w, w->text);
	r = move(w, fd);
	return r < 0 ? r : look_around(w);
}

static bool is_last(const struct walk *w)
{
	return !*w->rest && !w->slash;
}

/* One step up. The caller's root has no parent, and neither has the root of a mount it cannot leave. */
static int step_up(struct walk *w)
{
	int r;

	if (same_object(&w->st, &w->root_st))
		return w->flags & PROC_BENEATH ? -EXDEV : 0;
	if (w->flags & PROC_NO_XDEV && w->in_proc && w->place.level == PROC_AT_ROOT)
		return -EXDEV;
	r = move(w, openat(w->cur, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (r < 0)
		return r;
	if (w->in_proc && w->place.level != PROC_AT_ROOT && proc_on_procfs(w->cur))
		return proc_place_parent(w->v, &w->place);
	if (w->in_proc) { /* or from a bind mount of a part of /proc */
		w->in_proc = false;
		place_text(w, w->text);
	}
	return append_text(w->text, "..");
}

/* Counts a name that the kernel has and no rule knows. */
static void note_unknown(struct walk *w, const struct proc_place *p, const char *name)
{
	struct stat st;

	if (fstatat(w->cur, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	w->v->unknown++;
	snprintf(w->v->last_unknown, sizeof w->v->last_unknown, "%s", p->guest);
}

static int step_in_proc(struct walk *w, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct proc_place p = w->place;
	const char *host;
	struct stat st;
	bool unknown;
	int r;

	if (!S_ISDIR(w->st.st_mode))
		return -ENOTDIR;
	r = proc_place_child(w->v, &p, name, &unknown);
	if (unknown)
		note_unknown(w, &p, name);
	if (r < 0)
		return r;
	host = strrchr(p.host, '/') ? strrchr(p.host, '/') + 1 : p.host;
	fd = openat(w->cur, host, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode) || (is_last(w) && w->flags & PROC_NOFOLLOW)) {
		bool crossed = st.st_dev != w->st.st_dev;
		w->place = p;
		r = move(w, fd_take(&fd));
		/* Something else may be mounted there, /proc/sys/fs/binfmt_misc or a mask. */
		if (r == 0 && crossed && !proc_on_procfs(w->cur)) {
			w->in_proc = false;
			place_text(w, w->text);
		}
		return r;
	}
	if (!p.rule)
		return -ENOENT;
	w->place = p;
	if (p.rule->handling == PROC_SELF)
		return follow_self(w);
	if (p.rule->handling == PROC_MAGIC)
		return follow_magic(w, host);
	r = proc_place_parent(w->v, &w->place);
	return r < 0 ? r : follow_fd_text(w, fd);
}

/* Into a mounted procfs. */
static int enter_proc(struct walk *w)
{
	w->met = true;
	if (w->flags & PROC_NO_XDEV)
		return -EXDEV;
	if (proc_is_ours(w->v, w->cur)) {
		w->in_proc = true;
		w->place = (struct proc_place){.level = PROC_AT_ROOT};
		memcpy(w->mount, w->text, sizeof w->mount);
		return 0;
	}
	return look_around(w);
}

/* 1: the kernel will say for itself what is wrong here. */
static int step_outside(struct walk *w, const char *name)
{
	_cleanup_close_ int fd = openat(w->cur, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	dev_t before = w->st.st_dev;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 1;
	if (S_ISLNK(st.st_mode) && !(is_last(w) && w->flags & PROC_NOFOLLOW))
		return follow_fd_text(w, fd);
	r = append_text(w->text, name);
	if (r == 0)
		r = move(w, fd_take(&fd));
	if (r < 0)
		return r;
	return st.st_dev != before && proc_on_procfs(w->cur) ? enter_proc(w) : 0;
}

/* Takes the first component off rest. */
static int next_name(struct walk *w, char *ret)
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, p, n);
	ret[n] = 0;
	p += n;
	p += strspn(p, "/");
	memmove(w->rest, p, strlen(p) + 1);
	return 0;
}

/* Walks all of rest. 1: see step_outside(); the component where it stuck is left in front of rest. */
static int walk_all(struct walk *w)
{
	char name[NAME_MAX + 1];

	while (w->rest[strspn(w->rest, "/")]) {
		int r = next_name(w, name);

		if (r < 0)
			return r;
		if (!*name || !strcmp(name, "."))
			r = S_ISDIR(w->st.st_mode) ? 0 : -ENOTDIR;
		else if (!strcmp(name, ".."))
			r = S_ISDIR(w->st.st_mode) ? step_up(w) : -ENOTDIR;
		else if (w->in_proc)
			r = step_in_proc(w, name);
		else
			r = step_outside(w, name);
		if (r == 1) {
			if (append_text(w->text, name) < 0 ||
			    (*w->rest && append_text(w->text, w->rest) < 0) ||
			    (!*w->rest && w->slash && append_text(w->text, "") < 0))
				return -ENAMETOOLONG;
			return 1;
		}
		if (r < 0)
			return w->met ? r : 1; /* the kernel finds the same */
	}
	if (w->slash && w->in_proc && !S_ISDIR(w->st.st_mode))
		return -ENOTDIR;
	return 0;
}

static void answer_in_proc(struct walk *w, struct proc_answer *ret)
{
	const struct proc_rule *rule = w->place.level == PROC_BELOW ? w->place.rule : NULL;

	ret->place = w->place;
	ret->rule = rule;
	if (S_ISLNK(w->st.st_mode))
		ret->what = PROC_LINK;
	else if (w->place.level != PROC_BELOW || rule->handling == PROC_NAMES)
		ret->what = PROC_LIST;
	else
		ret->what = proc_rule_rewrites(rule) ? PROC_TEXT : PROC_NATIVE;
	place_text(w, ret->path);
	ret->fd = fd_take(&w->cur);
}

/* A cgroup's list of pids, in whatever place cgroups are mounted. */
static bool is_pid_list(const struct walk *w)
{
	const char *slash = strrchr(w->text, '/');
	struct statfs f;

	return S_ISREG(w->st.st_mode) && slash && proc_rule_cgroup(slash + 1) &&
	       fstatfs(w->cur, &f) == 0 &&
	       (f.f_type == CGROUP_SUPER_MAGIC || f.f_type == CGROUP2_SUPER_MAGIC);
}

static int walk(struct walk *w, int dirfd, const char *path, struct proc_answer *ret)
{
	int r = walk_begin(w, dirfd, path);

	*ret = (struct proc_answer){.what = PROC_ELSEWHERE, .fd = -1, .caller = *w->c};
	if (r == -EACCES && !w->met)
		return 0;
	if (r < 0)
		return r;
	strcpy(w->rest, path);
	w->slash = *path && path[strlen(path) - 1] == '/';
	r = walk_all(w);
	if (r < 0)
		return r;
	if (w->in_proc) {
		answer_in_proc(w, ret);
	} else if (r == 0 && is_pid_list(w)) {
		ret->what = PROC_TEXT;
		ret->rule = proc_rule_cgroup(strrchr(w->text, '/') + 1);
		snprintf(ret->path, sizeof ret->path, "%s", w->text);
		ret->fd = fd_take(&w->cur);
	} else if (w->met) {
		ret->what = PROC_OUTSIDE;
		snprintf(ret->path, sizeof ret->path, "%s%s", *w->text ? w->text : "/",
			 r == 0 && w->slash && *w->text ? "/" : "");
	}
	return 0;
}

int proc_view_resolve(struct proc_view *v, const struct proc_caller *c, int dirfd, const char *path,
		      unsigned flags, struct proc_answer *ret)
{
	struct walk w = {.v = v, .c = c, .flags = flags, .root = -1, .cur = -1};
	int r;

	if (strlen(path) >= sizeof w.rest)
		return -ENAMETOOLONG;
	r = walk(&w, dirfd, path, ret);
	walk_done(&w);
	return r;
}

void proc_answer_done(struct proc_answer *a)
{
	fd_closep(&a->fd);
}

int proc_view_place(struct proc_view *v, const struct proc_caller *c, int dirfd, char *ret, size_t size)
{
	struct walk w = {.v = v, .c = c, .root = -1, .cur = -1};
	int n, r = walk_begin(&w, dirfd, "");

	if (r == 0 && !w.in_proc)
		r = -ENOENT;
	if (r == 0) {
		n = snprintf(ret, size, "/proc%s%s", w.place.guest[0] ? "/" : "", w.place.guest);
		r = n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
	}
	walk_done(&w);
	return r;
}
