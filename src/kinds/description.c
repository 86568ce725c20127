#include "kinds/description.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

/* What fcntl(2) F_SETFL changes. */
#define SETTABLE (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)

const char *description_info(const char *info, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = info; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return NULL;
}

int description_own_info(int fd, char **ret)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	return fd_slurp_at(AT_FDCWD, path, ret, NULL);
}

int description_set_flags(int fd, uint32_t flags)
{
	int now = fcntl(fd, F_GETFL);

	if (now < 0)
		return -errno;
	if ((now & SETTABLE) == (int)(flags & SETTABLE))
		return 0;
	return fcntl(fd, F_SETFL, (now & ~SETTABLE) | (int)(flags & SETTABLE)) < 0 ? -errno : 0;
}

struct async {
	int fd, number, status;
};

/* A thread with a descriptor table of its own, where any number can be taken. */
static void *set_async(void *arg)
{
	struct async *a = arg;
	int flags = fcntl(a->fd, F_GETFL);

	if (unshare(CLONE_FILES) < 0 || (a->fd != a->number && dup2(a->fd, a->number) < 0) ||
	    fcntl(a->number, F_SETFL, flags & ~O_ASYNC) < 0 ||
	    fcntl(a->number, F_SETFL, flags | O_ASYNC) < 0)
		a->status = -errno;
	return NULL;
}

int description_set_async(int fd, int number)
{
	struct async a = {fd, number, 0};
	pthread_t thread;
	int k = pthread_create(&thread, NULL, set_async, &a);

	if (k)
		return -k;
	pthread_join(thread, NULL);
	return a.status;
}

int description_reopen(int fd, uint32_t flags)
{
	char path[64];
	int late = O_ASYNC;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode))
		late |= O_DIRECT;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	/* The link of an O_TMPFILE file holds that flag, which would make another file here. */
	int keep = (int)flags & ~(DESCRIPTION_OPEN_ONLY | O_TMPFILE | O_NOFOLLOW | late);
	_cleanup_close_ int again = open(path, keep | O_CLOEXEC);
	if (again < 0)
		return -errno;
	if (flags & O_PATH)
		return fd_take(&again);
	int k = description_set_flags(again, flags);
	return k < 0 ? k : fd_take(&again);
}

int description_open(const struct restore *r, const char *path, uint32_t flags)
{
	int keep = (int)flags & ~(DESCRIPTION_OPEN_ONLY | O_ASYNC);

	/* Made without a name and named later (linkat(2)). */
	if ((flags & O_TMPFILE) == O_TMPFILE)
		keep &= ~O_TMPFILE;
	_cleanup_close_ int fd = restore_open(r, path, keep | O_NOCTTY, 0);

	if (fd < 0)
		return fd;
	if (flags & O_PATH)
		return fd_take(&fd);
	int k = description_set_flags(fd, flags);
	return k < 0 ? k : fd_take(&fd);
}

unsigned long description_fs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 ? 0 : (unsigned long)fs.f_type;
}

bool description_special_fs(int fd)
{
	unsigned long fs = description_fs(fd);

	return fs == PROC_SUPER_MAGIC || fs == NSFS_MAGIC || fs == HUGETLBFS_MAGIC ||
	       fs == SECRETMEM_MAGIC || fs == 0x50494446 /* PID_FS_MAGIC, Linux 6.9 */ ||
	       fs == 0x19800202 /* MQUEUE_MAGIC, ipc/mqueue.c */;
}

int64_t description_mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}
