#include "virtual/proc_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "virtual/proc_as_caller.h"
#include "virtual/proc_list.h"
#include "virtual/proc_place.h"
#include "virtual/proc_rules.h"
#include "virtual/proc_shadow.h"

int proc_view_init(struct proc_view *v, const struct pid_view *pids, const char *const *dirs, size_t n,
		   struct pidspace_error *err)
{
	struct stat st;
	int r;

	*v = (struct proc_view){.pids = pids, .proc_fd = -1};
	v->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->proc_fd < 0 || fstat(v->proc_fd, &st) < 0)
		return error_sys(err, -errno, "cannot open /proc");
	v->same[v->n_same++] = st.st_dev;
	r = proc_list_fixed(v);
	if (r < 0)
		error_sys(err, r, "cannot read /proc");
	else
		r = proc_shadow_new(&v->shadow, dirs, n, err);
	if (r < 0)
		proc_view_done(v);
	return r;
}

void proc_view_done(struct proc_view *v)
{
	if (v->n_same)
		fd_closep(&v->proc_fd);
	proc_shadow_free(v->shadow);
	vec_each(n, &v->fixed)
		free(n->name);
	vec_free(&v->fixed);
	*v = (struct proc_view){0};
}

/* Opens the object that an O_PATH descriptor refers to: proc_pid_get_link() of our own descriptor. */
static int reopen(const struct proc_view *v, int fd, int flags)
{
	char path[32];
	int n;

	snprintf(path, sizeof path, "self/fd/%d", fd);
	n = openat(v->proc_fd, path, (flags & ~(O_NOFOLLOW | O_CREAT | O_EXCL)) | O_CLOEXEC);
	return n < 0 ? -errno : n;
}

/* A file that can be read at any offset, and nothing else. Its name is what a link to it says. */
static int make_file(const struct proc_view *v, const char *name, const char *text, size_t n)
{
	_cleanup_close_ int fd = -1;
	char tag[200];

	snprintf(tag, sizeof tag, "/proc/%s", name);
	fd = memfd_create(tag, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (fd_write_all(fd, text, n) < 0 || fchmod(fd, 0444) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return reopen(v, fd, O_RDONLY);
}

static int rewrite(const struct proc_view *v, const struct proc_answer *a, char *text, char **ret,
		   size_t *ret_n)
{
	struct proc_reading reading = {.pids = v->pids, .task = a->place.task};
	struct statfs f;
	FILE *out;
	int r;

	if (fstatfs(a->fd, &f) == 0)
		reading.fs_magic = (uint32_t)f.f_type;
	out = open_memstream(ret, ret_n);
	if (!out)
		return -ENOMEM;
	r = a->rule->rewrite(&reading, text, out);
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	return r;
}

/* The host may have given the number to another since it was converted. */
static bool still_there(const struct proc_view *v, const struct proc_place *p)
{
	return !p->task.n || proc_guest_number(v->pids, p->task.n) == p->pid.n;
}

static int open_text(struct proc_view *v, const struct proc_answer *a, int flags)
{
	_cleanup_free_ char *text = NULL, *made = NULL;
	char path[32];
	size_t n;
	int r;

	if (flags & O_PATH)
		return reopen(v, a->fd, flags);
	if ((flags & O_ACCMODE) == O_WRONLY && a->rule->handling == PROC_WRITABLE)
		return reopen(v, a->fd, flags);
	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	snprintf(path, sizeof path, "self/fd/%d", a->fd);
	r = fd_slurp_at(v->proc_fd, path, &text, NULL);
	if (r < 0)
		return r;
	r = rewrite(v, a, text, &made, &n);
	if (r == 0 && !still_there(v, &a->place))
		r = -ENOENT;
	return r < 0 ? r : make_file(v, a->place.guest, made, n);
}

static int open_list(struct proc_view *v, const struct proc_answer *a, int flags)
{
	struct proc_entries e = {0};
	int r = 0;

	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT)
		return flags & O_PATH ? proc_shadow_open(v->shadow, a->place.guest, NULL, 0, flags)
				      : -EISDIR;
	if (!(flags & O_PATH))
		r = proc_list(v, a, &e);
	if (r == 0 && !still_there(v, &a->place))
		r = -ENOENT;
	if (r == 0)
		r = proc_shadow_open(v->shadow, a->place.guest, e.list.at, e.list.n, flags);
	vec_free(&e.list);
	return r;
}

static int open_native(struct proc_view *v, const struct proc_answer *a, int flags)
{
	int fd = reopen(v, a->fd, flags);

	if (fd >= 0 && !still_there(v, &a->place)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int open_link(const struct proc_view *v, const struct proc_answer *a, int flags)
{
	int fd;

	if (flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (!(flags & O_PATH))
		return -ELOOP;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int proc_view_open(struct proc_view *v, const struct proc_answer *a, int flags)
{
	struct proc_as_caller as;
	int r;

	if (a->what == PROC_ELSEWHERE || a->what == PROC_OUTSIDE)
		return -EINVAL;
	if (a->what == PROC_LINK)
		return open_link(v, a, flags);
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (a->what == PROC_TEXT && flags & O_DIRECTORY)
		return -ENOTDIR;
	r = proc_as_caller_begin(v, &a->caller, a->place.task, &as);
	if (r == 0)
		r = a->what == PROC_TEXT   ? open_text(v, a, flags)
		    : a->what == PROC_LIST ? open_list(v, a, flags)
					   : open_native(v, a, flags);
	proc_as_caller_end(&as);
	return r;
}

int proc_view_stat(struct proc_view *v, const struct proc_answer *a, struct stat *ret)
{
	struct stat shadow;
	int r;

	if (a->fd < 0)
		return -EINVAL;
	if (fstat(a->fd, ret) < 0)
		return errno == ESRCH ? -ENOENT : -errno;
	if (a->what != PROC_LIST)
		return 0;
	r = proc_shadow_stat(v->shadow, a->place.guest, &shadow);
	ret->st_dev = shadow.st_dev;
	ret->st_ino = shadow.st_ino;
	return r;
}

/* What a link to a descriptor says of it: the kernel's text, unless that is a path in /proc with
 * host numbers, or of one of our own objects. */
static int translate_text(struct proc_view *v, const struct proc_answer *a, char *text, size_t size)
{
	static const char file[] = "/memfd:/proc/", deleted[] = " (deleted)";
	char place[PROC_PLACE_MAX];
	_cleanup_close_ int fd = -1;
	size_t n = strlen(text);

	if (proc_shadow_place(v->shadow, text, place, sizeof place) == 0) {
		snprintf(text, size, "/proc%s%s", place[0] ? "/" : "", place);
		return 0;
	}
	if (!strncmp(text, file, sizeof file - 1) && n > sizeof file + sizeof deleted &&
	    !strcmp(text + n - (sizeof deleted - 1), deleted)) {
		text[n - (sizeof deleted - 1)] = 0;
		memmove(text, text + strlen("/memfd:"), strlen(text + strlen("/memfd:")) + 1);
		return 0;
	}
	if (text[0] != '/')
		return 0;
	fd = openat(v->proc_fd, a->place.host, O_PATH | O_CLOEXEC);
	if (fd >= 0 && proc_on_procfs(fd)) {
		struct proc_place p;
		int r = proc_place_of_fd(v, &a->caller, fd, &p);
		if (r < 0)
			return r;
		snprintf(text, size, "/proc%s%s", p.guest[0] ? "/" : "", p.guest);
	}
	return 0;
}

ssize_t proc_view_readlink(struct proc_view *v, const struct proc_answer *a, char *buf, size_t size)
{
	struct proc_as_caller as;
	char text[PROC_PATH_MAX];
	ssize_t n;
	int r;

	if (a->what != PROC_LINK)
		return -EINVAL;
	if (a->rule->handling == PROC_SELF) {
		n = proc_self_text(v, &a->caller, a->place.guest, text, sizeof text);
	} else {
		r = proc_as_caller_begin(v, &a->caller, a->place.task, &as);
		n = r < 0 ? r : readlinkat(a->fd, "", text, sizeof text - 1);
		if (r == 0 && n < 0)
			n = -errno;
		proc_as_caller_end(&as);
		if (n >= 0) {
			text[n] = 0;
			if (a->rule->handling == PROC_MAGIC) {
				r = translate_text(v, a, text, sizeof text);
				n = r < 0 ? r : (ssize_t)strlen(text);
			}
		}
	}
	if (n < 0)
		return n;
	n = (size_t)n < size ? n : (ssize_t)size;
	memcpy(buf, text, (size_t)n);
	return n;
}

int proc_view_enter(struct proc_view *v, const struct proc_answer *a, char *ret, size_t size)
{
	struct stat st;
	int n;

	if (a->what == PROC_LIST)
		return proc_shadow_path(v->shadow, a->place.guest, ret, size);
	if (a->fd < 0 || fstat(a->fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	n = snprintf(ret, size, "%s", a->path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
