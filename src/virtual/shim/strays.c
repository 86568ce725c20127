/* Does a path lead into /proc though it does not say so: by symbolic links, or where /proc is mounted a second time? Nearly
 * none does, so nearly always one call has to be enough to know. It is one that makes no descriptor: a child that another
 * thread forks at the moment would inherit it. */
#include "virtual/link_itself.h"
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <asm/stat.h>
#include <linux/openat2.h>
#include <linux/stat.h>

static bool is_link(long dirfd, const char *path)
{
	struct stat st;

	return CALL4(__NR_newfstatat, dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Cuts the last component off; false: there is nothing above it in this path. */
static bool cut(char *path)
{
	char *end = path + __builtin_strlen(path);

	while (end > path && end[-1] == '/')
		end--;
	while (end > path && end[-1] != '/')
		end--;
	while (end > path && end[-1] == '/')
		end--;
	*end = 0;
	return end > path;
}

/* What does not exist itself: is the lowest directory of it that does in /proc, or is there a link that leads nowhere? */
static bool ends_in_proc(long dirfd, const char *path)
{
	char above[SHIM_TEXT_SHORT];
	struct stat st;
	long r;

	if (__builtin_strlen(path) >= sizeof above)
		return true;
	__builtin_memcpy(above, path, __builtin_strlen(path) + 1);
	do {
		if (is_link(dirfd, above))
			return true;
		if (!cut(above))
			return false;
		r = CALL4(__NR_newfstatat, dirfd, above, &st, 0);
	} while (r < 0);
	return shows_proc(st.st_dev);
}

/* The way to /proc crosses a mount. */
static bool crosses(long dirfd, const char *path, bool link_itself)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | (link_itself ? O_NOFOLLOW : 0), .resolve = RESOLVE_NO_XDEV};
	long fd = CALL4(__NR_openat2, dirfd, path, &how, sizeof how);

	if (fd >= 0)
		CALL1(__NR_close, fd);
	return fd == -EXDEV || fd == -ENOSYS || fd == -EPERM || fd == -E2BIG;
}

struct way {
	long dirfd;
	const char *path;
	bool link_itself;
};

/* False: the call has no such path. It is the kernel who reads it first: NULL and what cannot be read is EFAULT, an empty one (the
 * descriptor itself is meant) ENOENT, and with these nobody looks further. */
static bool find_way(const struct trap *t, const struct catalogue_row *r, int i, struct way *ret)
{
	if (r->path[i] == CATALOGUE_NO_ARG)
		return false;
	ret->dirfd = r->dirfd[i] == CATALOGUE_NO_ARG ? AT_FDCWD : t->arg[r->dirfd[i]];
	ret->path = (const char *)t->arg[r->path[i]];
	ret->link_itself = names_link_itself(r, (const uint64_t *)t->arg, 0);
	return true;
}

bool strays(const struct trap *t, const struct catalogue_row *r, int i)
{
	struct way w;
	struct stat st;

	if (!find_way(t, r, i, &w))
		return false;
	if (CALL4(__NR_newfstatat, w.dirfd, w.path, &st, w.link_itself ? AT_SYMLINK_NOFOLLOW : 0) == 0)
		return shows_proc(st.st_dev);
	return crosses(w.dirfd, w.path, w.link_itself) && ends_in_proc(w.dirfd, w.path);
}

bool strays_failed(const struct trap *t, const struct catalogue_row *r, long result)
{
	struct way w;

	switch (result) {
	case -ENOENT: /* the call that makes no descriptor where there is nothing */
	case -EACCES:
	case -ENOTDIR:
	case -ELOOP:
		return find_way(t, r, 0, &w) && crosses(w.dirfd, w.path, w.link_itself) && ends_in_proc(w.dirfd, w.path);
	case -EBADF:
	case -EFAULT:
	case -EINTR:
	case -EMFILE:
	case -ENAMETOOLONG:
		return false;
	default:
		return strays(t, r, 0);
	}
}
