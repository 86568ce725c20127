#include "virtual/proc_shadow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define PREFIX "pidspace-proc-"
/* So many directories are kept before unused ones are removed. */
#define KEPT 4096
/* So many openers may be reading different states of one directory at the same time. */
#define STATES 64

struct proc_shadow {
	int fd;
	char path[PATH_MAX];
	bool newest_first;
	size_t made, prune_at;
};

static bool is_tmpfs(const char *dir)
{
	struct statfs f;

	return statfs(dir, &f) == 0 && f.f_type == TMPFS_MAGIC;
}

/* Calls fn for each entry until it returns other than 0. fd stays open. */
static int each_entry(int fd, int (*fn)(void *arg, int fd, const struct dirent *d), void *arg)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = -errno;
		if (own >= 0)
			close(own);
		return r;
	}
	while (r == 0 && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			r = fn(arg, fd, d);
	closedir(dir);
	return r;
}

static int remove_entry(void *arg, int fd, const struct dirent *d)
{
	unlinkat(fd, d->d_name, d->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	return 0;
}

/* Removes one directory, unless in_use_too is false (arg NULL) and somebody is reading it. */
static int remove_directory(void *in_use_too, int root, const struct dirent *d)
{
	_cleanup_close_ int fd = openat(root, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || (!in_use_too && flock(fd, LOCK_EX | LOCK_NB) < 0))
		return 0;
	fchmod(fd, 0700);
	each_entry(fd, remove_entry, NULL);
	unlinkat(root, d->d_name, AT_REMOVEDIR);
	return 0;
}

/* What a warden that was killed has left behind. */
static int remove_leftover(void *arg, int fd, const struct dirent *d)
{
	_cleanup_close_ int left = -1;
	struct stat st;

	if (strncmp(d->d_name, PREFIX, sizeof PREFIX - 1))
		return 0;
	left = openat(fd, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (left < 0 || fstat(left, &st) < 0 || st.st_uid != geteuid() || flock(left, LOCK_EX | LOCK_NB) < 0)
		return 0;
	each_entry(left, remove_directory, arg);
	unlinkat(fd, d->d_name, AT_REMOVEDIR);
	return 0;
}

static void remove_leftovers(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool in_use_too = true;

	if (fd >= 0)
		each_entry(fd, remove_leftover, &in_use_too);
}

/* Made, and locked for as long as we live: one that nobody has locked is a dead warden's. */
static int make_in(struct proc_shadow *s, const char *dir)
{
	int n = snprintf(s->path, sizeof s->path, "%s/" PREFIX "XXXXXX", dir);
	struct stat st;

	if (n < 0 || (size_t)n >= sizeof s->path)
		return -ENAMETOOLONG;
	if (!mkdtemp(s->path))
		return -errno;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Whoever has changed its user id inside may still have to enter it. */
	if (s->fd < 0 || flock(s->fd, LOCK_EX) < 0 || fchmod(s->fd, 0711) < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	if (st.st_nlink > 0)
		return 0;
	fd_closep(&s->fd); /* another has cleared it away before it was locked */
	return -EAGAIN;
}

int proc_shadow_new(struct proc_shadow **ret, const char *const *dirs, size_t n, struct pidspace_error *err)
{
	struct proc_shadow *s = calloc(1, sizeof *s);
	int r = -ENOENT;

	if (!s)
		return error_sys(err, -ENOMEM, "cannot prepare the container's /proc");
	s->fd = -1;
	s->prune_at = KEPT;
	for (int pass = 0; pass < 2 && r < 0; pass++)
		for (size_t i = 0; i < n && r < 0; i++)
			if (is_tmpfs(dirs[i]) == (pass == 0)) {
				remove_leftovers(dirs[i]);
				do
					r = make_in(s, dirs[i]);
				while (r == -EAGAIN);
				s->newest_first = pass == 0;
			}
	if (r < 0) {
		free(s);
		return error_sys(err, r, "cannot make a directory for the container's /proc in %s",
				 n ? dirs[n - 1] : "(none)");
	}
	*ret = s;
	return 0;
}

static int count_entry(void *arg, int fd, const struct dirent *d)
{
	++*(size_t *)arg;
	return 0;
}

static void prune(struct proc_shadow *s)
{
	if (s->made < s->prune_at)
		return;
	each_entry(s->fd, remove_directory, NULL);
	s->made = 0;
	each_entry(s->fd, count_entry, &s->made);
	s->prune_at = s->made + KEPT;
}

void proc_shadow_free(struct proc_shadow *s)
{
	if (!s)
		return;
	each_entry(s->fd, remove_directory, s);
	rmdir(s->path);
	close(s->fd);
	free(s);
}

static int name_of(const char *place, int state, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%d:%s", state, place);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	for (char *p = ret; *p; p++)
		if (*p == '/')
			*p = ':';
	return 0;
}

static int make_directory(struct proc_shadow *s, const char *name)
{
	prune(s);
	if (mkdirat(s->fd, name, 0555) < 0)
		return errno == EEXIST ? 0 : -errno;
	s->made++;
	return 0;
}

struct comparison {
	const struct proc_entry *at;
	size_t left;
};

static int compare_entry(void *arg, int fd, const struct dirent *d)
{
	struct comparison *c = arg;

	if (!c->left || strcmp(c->at->name, d->d_name) || c->at->type != d->d_type)
		return 1;
	c->at++;
	c->left--;
	return 0;
}

static bool is_current(int fd, const struct proc_entry *entries, size_t n)
{
	struct comparison c = {entries, n};

	return each_entry(fd, compare_entry, &c) == 0 && c.left == 0;
}

static int make_entry(int fd, const struct proc_entry *e)
{
	int r = e->type == DT_DIR   ? mkdirat(fd, e->name, 0)
		: e->type == DT_LNK ? symlinkat("-", fd, e->name) /* leads nowhere */
				    : mknodat(fd, e->name, S_IFREG, 0);

	return r < 0 && errno != EEXIST ? -errno : 0;
}

static int fill(const struct proc_shadow *s, int fd, const struct proc_entry *entries, size_t n)
{
	int r = 0;

	fchmod(fd, 0755);
	each_entry(fd, remove_entry, NULL);
	for (size_t i = 0; i < n && r == 0; i++)
		r = make_entry(fd, &entries[s->newest_first ? n - 1 - i : i]);
	fchmod(fd, 0555);
	return r;
}

int proc_shadow_open(struct proc_shadow *s, const char *place, const struct proc_entry *entries, size_t n,
		     int open_flags)
{
	char name[NAME_MAX];

	for (int state = 0; state < STATES; state++) {
		_cleanup_close_ int fd = -1;
		int r = name_of(place, state, name, sizeof name);

		if (r == 0)
			r = make_directory(s, name);
		if (r < 0)
			return r;
		fd = openat(s->fd, name, (open_flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (open_flags & O_PATH) /* nothing can be read from it */
			return fd_take(&fd);
		if (!is_current(fd, entries, n)) {
			if (flock(fd, LOCK_EX | LOCK_NB) < 0)
				continue;
			r = fill(s, fd, entries, n);
			if (r < 0)
				return r;
		}
		flock(fd, LOCK_SH | LOCK_NB);
		return fd_take(&fd);
	}
	return -EAGAIN;
}

int proc_shadow_stat(struct proc_shadow *s, const char *place, struct stat *ret)
{
	char name[NAME_MAX];
	int r = name_of(place, 0, name, sizeof name);

	if (r == 0)
		r = make_directory(s, name);
	if (r < 0)
		return r;
	return fstatat(s->fd, name, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int proc_shadow_path(struct proc_shadow *s, const char *place, char *ret, size_t size)
{
	char name[NAME_MAX];
	int n, r = name_of(place, 0, name, sizeof name);

	if (r == 0)
		r = make_directory(s, name);
	if (r < 0)
		return r;
	n = snprintf(ret, size, "%s/%s", s->path, name);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int proc_shadow_place(const struct proc_shadow *s, const char *path, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)"; /* d_path(): a cwd that was cleared away */
	size_t n = strlen(s->path), len;
	const char *colon;

	if (strncmp(path, s->path, n) || path[n] != '/')
		return -ENOENT;
	colon = strchr(path + n, ':');
	if (!colon || strchr(path + n + 1, '/'))
		return -ENOENT;
	len = strlen(colon + 1);
	if (len >= strlen(deleted) && !strcmp(colon + 1 + len - strlen(deleted), deleted))
		len -= strlen(deleted);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(ret, colon + 1, len);
	ret[len] = 0;
	for (char *p = ret; *p; p++)
		if (*p == ':')
			*p = '/';
	return 0;
}
