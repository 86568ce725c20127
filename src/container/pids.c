#include "container/pids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"

void pids_done(struct pids *p)
{
	if (p->kind == PIDSPACE_VIRTUAL)
		virtual_done(&p->virtual);
	else
		space_done(&p->space);
	fd_closep(&p->host_proc_fd);
}

void pids_take_virtual(struct pids *p, const struct virtual_pids *v)
{
	*p = PIDS_EMPTY;
	p->kind = PIDSPACE_VIRTUAL;
	p->virtual = *v;
	p->host_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

struct task_ref *pids_init(struct pids *p)
{
	return p->kind == PIDSPACE_VIRTUAL ? &p->virtual.init : &p->space.init;
}

int pids_to_host(const struct pids *p, struct vpid pid, struct hpid *ret)
{
	return p->kind == PIDSPACE_VIRTUAL ? virtual_to_host(&p->virtual, pid, ret) : space_to_host(&p->space, pid, ret);
}

int pids_to_guest(const struct pids *p, struct hpid pid, struct vpid *ret)
{
	return p->kind == PIDSPACE_VIRTUAL ? virtual_to_guest(&p->virtual, pid, ret)
					   : space_to_guest(&p->space, pid, ret);
}

int pids_ref(const struct pids *p, struct vpid pid, struct task_ref *ret)
{
	return p->kind == PIDSPACE_VIRTUAL ? virtual_ref(&p->virtual, pid, ret) : space_ref(&p->space, pid, ret);
}

/* The numbers in a directory of the container's own procfs. */
static int each_number(const struct pids *p, const char *path, int (*fn)(void *arg, struct vpid pid), void *arg)
{
	int fd = openat(p->space.proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		r = errno == ENOENT ? -ESRCH : -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			r = fn(arg, vpid_of(atoi(d->d_name)));
	closedir(dir);
	return r;
}

int pids_each(const struct pids *p, int (*fn)(void *arg, struct vpid pid), void *arg)
{
	return p->kind == PIDSPACE_VIRTUAL ? virtual_each(&p->virtual, fn, arg) : each_number(p, ".", fn, arg);
}

int pids_each_thread(const struct pids *p, struct vpid pid, int (*fn)(void *arg, struct vpid tid), void *arg)
{
	char path[32];

	if (p->kind == PIDSPACE_VIRTUAL)
		return virtual_each_thread(&p->virtual, pid, fn, arg);
	snprintf(path, sizeof path, "%d/task", pid.n);
	return each_number(p, path, fn, arg);
}

int pids_stat(const struct pids *p, struct vpid pid, struct vpid tid, struct proc_stat *ret)
{
	return p->kind == PIDSPACE_VIRTUAL ? virtual_stat(&p->virtual, pid, tid, ret)
					   : proc_stat_read(p->space.proc_fd, pid.n, tid.n, ret);
}

int pids_proc(const struct pids *p, struct vpid pid, struct pids_proc *ret)
{
	struct hpid host;
	int r;

	if (p->kind == PIDSPACE_SPACE) {
		*ret = (struct pids_proc){p->space.proc_fd, pid.n};
		return 0;
	}
	r = virtual_to_host(&p->virtual, pid, &host);
	if (r == 0)
		*ret = (struct pids_proc){p->host_proc_fd, host.n};
	return r;
}
