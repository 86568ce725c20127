/* What /proc tells of the stopped processes without any work inside them. Most of a checkpoint of many
 * small processes is this, so several threads read at a time. */
#include "checkpoint/collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "kernel/sys.h"

const char *const collect_namespaces[N_NAMESPACES] = {"pid", "pid_for_children", "mnt", "user", "net",
						      "uts", "ipc"};
static const unsigned long namespace_requests[N_NAMESPACES] = {
	SYS_PIDFD_GET_PID_NAMESPACE,  SYS_PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE,
	SYS_PIDFD_GET_MNT_NAMESPACE,  SYS_PIDFD_GET_USER_NAMESPACE,
	SYS_PIDFD_GET_NET_NAMESPACE,  SYS_PIDFD_GET_UTS_NAMESPACE,
	SYS_PIDFD_GET_IPC_NAMESPACE,
};

static unsigned long read_number(const struct space *sp, pid_t pid, const char *name, int base)
{
	char buf[64];

	if (proc_read_file(sp->proc_fd, pid, 0, name, buf, sizeof buf) <= 0)
		return 0;
	return strtoul(buf, NULL, base);
}

static void look_at_process(const struct save *s, struct saved_process *p)
{
	Process *m = p->m;
	const struct space *sp = s->space;
	pid_t pid = m->pid;
	char buf[64];

	m->exe = collect_link(s, pid, "exe");
	if (!m->exe)
		m->exe = strdup("");
	m->coredump_filter = read_number(sp, pid, "coredump_filter", 16);
	snprintf(buf, sizeof buf, "%d/timers", pid);
	if (fd_slurp_at(sp->proc_fd, buf, &p->seen.timers, NULL) < 0)
		p->seen.timers = NULL;
	m->oom_score_adj = (int32_t)(long)read_number(sp, pid, "oom_score_adj", 10);
}

/* A pidfd tells them (Linux 6.11) without eight more entries of /proc, which cost as much again when the
 * process is reaped. */
static ino_t namespace_of(int pidfd, size_t i)
{
	struct stat st;
	_cleanup_close_ int ns = pidfd < 0 ? -1 : ioctl(pidfd, namespace_requests[i], 0);

	return ns < 0 || fstat(ns, &st) < 0 ? 0 : st.st_ino;
}

static void look_at_namespaces(const struct space *sp, struct saved_process *p, struct outside *o)
{
	pid_t pid = p->first->tid.n;
	/* Not kept: with 10,000 processes every descriptor of each counts. */
	_cleanup_close_ int pidfd = p->first == p->leader ? sys_pidfd_open(p->first->t.tid.n, 0) : -1;
	struct stat st;
	char path[64];

	for (size_t i = 0; i < N_NAMESPACES; i++) {
		o->ns[i] = namespace_of(pidfd, i);
		if (o->ns[i])
			continue;
		snprintf(path, sizeof path, "%d/ns/%s", pid, collect_namespaces[i]);
		o->ns[i] = fstatat(sp->proc_fd, path, &st, 0) < 0 ? 0 : st.st_ino;
	}
}

/* The directory of its first live thread: the process's own where that is the leader, since every entry of /proc that
 * is looked at costs again when the process is reaped. */
static void directory_of(const struct saved_process *p, char ret[static 48])
{
	if (p->first == p->leader)
		snprintf(ret, 48, "%d", p->leader->tgid.n);
	else
		snprintf(ret, 48, "%d/task/%d", p->leader->tgid.n, p->first->tid.n);
}

static int look_at_maps(const struct space *sp, const struct saved_process *p, struct outside *o)
{
	pid_t pid = p->leader->tgid.n, tid = p->first->tid.n;
	char path[64], dir[48], *text;
	struct stat exe;
	int r = 0;

	directory_of(p, dir);
	if (p->first != p->leader) {
		o->mm_stat = malloc(sizeof *o->mm_stat);
		r = o->mm_stat ? proc_stat_read(sp->proc_fd, pid, tid, o->mm_stat) : -ENOMEM;
	}
	snprintf(path, sizeof path, "%s/smaps", dir);
	if (r == 0 && !p->as_maps) {
		r = fd_slurp_at(sp->proc_fd, path, &text, NULL);
		if (r == 0)
			r = proc_maps_parse(text, &o->maps);
	}
	if (r < 0 || p->as)
		return r;
	snprintf(path, sizeof path, "%d/exe", pid);
	if (fstatat(sp->proc_fd, path, &exe, 0) == 0) {
		o->exe_dev = exe.st_dev;
		o->exe_ino = exe.st_ino;
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct outside_fd *)a)->number - ((const struct outside_fd *)b)->number;
}

static int look_at_descriptors(const struct space *sp, const struct saved_process *p, struct outside *o)
{
	struct dirent *e;
	char path[80], dir[48];
	int r = 0;

	directory_of(p, dir);
	/* Not fd, which would be one entry more of each: the links are asked for where the description is new. */
	snprintf(path, sizeof path, "%s/fdinfo", dir);
	int fd = openat(sp->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		struct outside_fd *f = vec_push(&o->fd);
		if (!f) {
			r = -ENOMEM;
			break;
		}
		f->number = atoi(e->d_name);
		snprintf(path, sizeof path, "%s/fdinfo/%d", dir, f->number);
		r = fd_slurp_at(sp->proc_fd, path, &f->info, NULL);
		if (r < 0)
			f->info = NULL;
	}
	closedir(d);
	if (o->fd.n)
		qsort(o->fd.at, o->fd.n, sizeof *o->fd.at, by_number);
	return r;
}

static void look(void *arg, size_t i, unsigned worker)
{
	const struct save *s = arg;
	struct saved_process *p = s->engine->processes.at[i];

	if (!p->first)
		return;
	if (!p->as) {
		look_at_process(s, p);
		look_at_namespaces(s->space, p, &p->seen);
	}
	if (p->owns_mm)
		p->seen.maps_error = look_at_maps(s->space, p, &p->seen);
	if (p->owns_fds && !p->as_fds)
		p->seen.fds_error = look_at_descriptors(s->space, p, &p->seen);
}

int collect_outside(struct save *s, struct pidspace_error *err)
{
	char link[64], root[4200];

	snprintf(link, sizeof link, "/proc/self/fd/%d", s->root_fd);
	ssize_t n = readlink(link, root, sizeof root - 1);
	s->engine->root = n > 1 ? strndup(root, (size_t)n) : NULL;
	parallel_for(s->engine->processes.n, 8, look, s);
	vec_each(p, &s->engine->processes)
		if ((*p)->as)
			collect_take_outside(*p);
	vec_each(p, &s->engine->processes)
		if ((*p)->first && !(*p)->m->exe)
			return error_sys(err, -ENOMEM, "cannot read process %d", (*p)->m->pid);
	return 0;
}

void collect_outside_done(struct outside *o)
{
	proc_maps_done(&o->maps);
	free(o->mm_stat);
	free(o->timers);
	vec_each(f, &o->fd)
		free(f->info);
	vec_free(&o->fd);
	*o = (struct outside){};
}
