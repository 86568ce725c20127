/* The memfd for a new image, which maps it and lets go of it at once. It comes as the answer to a call of that
 * process, so nobody else ever has it. Where the table is full, the number of another file is borrowed: that file is kept
 * here meanwhile and put back where it was. */
#include "virtual/warden.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "kernel/sys.h"

#define MANY 64 /* more of them than that have died on the way */

static void drop(struct warden *w, struct entering *e)
{
	fd_closep(&e->file);
	*e = w->entering.at[--w->entering.n];
}

static struct entering *find(struct warden *w, struct hpid pid)
{
	vec_each(e, &w->entering)
		if (e->pid.n == pid.n)
			return e;
	return NULL;
}

static void drop_the_dead(struct warden *w)
{
	for (size_t i = w->entering.n; i-- > 0;)
		if (kill(w->entering.at[i].pid.n, 0) < 0 && errno == ESRCH)
			drop(w, &w->entering.at[i]);
}

int warden_lend_to(struct warden *w, struct hpid pid, uint64_t lent_at)
{
	struct entering *e = find(w, pid);

	if (e) /* of one that died, and had the number */
		drop(w, e);
	if (w->entering.n >= MANY)
		drop_the_dead(w);
	e = vec_push(&w->entering);
	if (!e)
		return -ENOMEM;
	*e = (struct entering){.pid = pid, .lent_at = lent_at, .file = -1};
	return 0;
}

/* Is a POSIX lock held by way of it, or a lease? Closing any descriptor of a file drops the process's locks on it. */
static bool bears_lock(struct hpid pid, int fd)
{
	_cleanup_free_ char *text = NULL;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid.n, fd);
	return fd_slurp_at(AT_FDCWD, path, &text, NULL) < 0 || strstr(text, "lock:");
}

/* A number that the memfd may have for a moment; -EMFILE: there is none. */
static int choose(struct hpid pid)
{
	struct rlimit limit;
	struct dirent *d;
	char path[32];
	int ret = -EMFILE;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid.n);
	dir = opendir(path);
	if (!dir || prlimit(pid.n, RLIMIT_NOFILE, NULL, &limit) < 0)
		limit.rlim_cur = 0;
	while (dir && ret < 0 && (d = readdir(dir))) {
		int n = atoi(d->d_name);
		if (d->d_name[0] != '.' && (rlim_t)n < limit.rlim_cur && !bears_lock(pid, n))
			ret = n;
	}
	if (dir)
		closedir(dir);
	return ret;
}

static int borrow(struct entering *e)
{
	_cleanup_close_ int pidfd = sys_pidfd_open(e->pid.n, 0);
	int n = pidfd < 0 ? pidfd : choose(e->pid);
	uint32_t yes = 1;
	struct iovec ours = {&yes, sizeof yes}, theirs = {(void *)e->lent_at, sizeof yes};

	if (n < 0)
		return n;
	e->file = sys_pidfd_getfd(pidfd, n);
	if (e->file < 0)
		return e->file;
	return process_vm_writev(e->pid.n, &ours, 1, &theirs, 1, 0) == sizeof yes ? n : -EFAULT;
}

/* at: its number there, -1: any. The call that waits answers with it (Linux 5.14; before, it does so in two steps). */
static int put(struct warden *w, uint64_t id, int at)
{
	struct seccomp_notif_addfd a = {.id = id, .srcfd = (uint32_t)w->memfd, .newfd = at < 0 ? 0 : (uint32_t)at,
					.flags = SECCOMP_ADDFD_FLAG_SEND | (at < 0 ? 0 : SECCOMP_ADDFD_FLAG_SETFD)};
	struct seccomp_notif_resp resp = {.id = id};
	int r = ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);

	if (r >= 0 || errno != EINVAL)
		return r < 0 ? -errno : r;
	a.flags &= ~SECCOMP_ADDFD_FLAG_SEND;
	r = ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
	if (r < 0)
		return -errno;
	resp.val = r;
	return ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 ? -errno : r;
}

int warden_lend_now(struct warden *w, uint64_t id)
{
	return put(w, id, -1);
}

void warden_lend(struct warden *w, struct hpid pid, uint64_t id)
{
	struct seccomp_notif_resp refused = {.id = id, .error = -EPERM};
	struct entering *e = find(w, pid);
	int r = e ? put(w, id, -1) : -EPERM;

	if (r == -EMFILE) {
		r = borrow(e);
		if (r >= 0)
			r = put(w, id, r);
	}
	if (r < 0 && r != -ENOENT) { /* it has died */
		refused.error = r;
		ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &refused);
	}
	if (e && (r < 0 || e->file < 0))
		drop(w, e);
}

void warden_lend_return(struct warden *w, struct bell *b)
{
	struct entering *e = find(w, hpid_of(b->q.tgid));
	struct seccomp_notif_addfd a = {.id = b->id, .newfd = (uint32_t)b->q.arg[0], .flags = SECCOMP_ADDFD_FLAG_SETFD};

	b->q.ret = -ENOENT;
	if (!e || e->file < 0)
		return;
	a.srcfd = (uint32_t)e->file;
	b->q.ret = ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a) < 0 ? -errno : 0;
	drop(w, e);
}
