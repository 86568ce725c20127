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

struct look {
	struct save *s;
	char root[4200]; /* of the container, as our links show it */
	size_t root_len; /* 0: nothing to take off */
};

static char *link_of(const struct space *sp, pid_t pid, const char *name)
{
	char path[64], buf[4200];

	snprintf(path, sizeof path, "%d/%s", pid, name);
	ssize_t n = readlinkat(sp->proc_fd, path, buf, sizeof buf - 1);
	if (n < 0)
		return NULL;
	buf[n] = 0;
	return strdup(buf);
}

/* A path as the container's root sees it: links in /proc are relative to the reader's root. */
static char *inside_path(const struct look *k, char *path)
{
	size_t n = k->root_len;

	if (path && n && strncmp(path, k->root, n) == 0 && (path[n] == '/' || !path[n])) {
		memmove(path, path + n, strlen(path + n) + 1);
		if (!*path)
			strcpy(path, "/");
	}
	return path;
}

static unsigned long read_number(const struct space *sp, pid_t pid, const char *name, int base)
{
	char buf[64];

	if (proc_read_file(sp->proc_fd, pid, 0, name, buf, sizeof buf) <= 0)
		return 0;
	return strtoul(buf, NULL, base);
}

static void look_at_process(const struct look *k, struct saved_process *p)
{
	Process *m = p->m;
	const struct space *sp = k->s->space;
	pid_t pid = m->pid;
	char buf[4096];
	ssize_t n = proc_read_file(sp->proc_fd, pid, 0, "cmdline", buf, sizeof buf);

	for (ssize_t i = 0; i + 1 < n; i++)
		if (!buf[i])
			buf[i] = ' ';
	m->cmdline = n > 0 ? strdup(buf) : NULL;
	m->cwd = inside_path(k, link_of(sp, pid, "cwd"));
	m->root = inside_path(k, link_of(sp, pid, "root"));
	m->exe = inside_path(k, link_of(sp, pid, "exe"));
	if (!m->cwd)
		m->cwd = strdup("/");
	if (!m->root)
		m->root = strdup("/");
	if (!m->exe)
		m->exe = strdup("");
	m->personality = (uint32_t)read_number(sp, pid, "personality", 16);
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

static int look_at_maps(const struct space *sp, const struct saved_process *p, struct outside *o)
{
	pid_t pid = p->leader->tgid.n, tid = p->first->tid.n;
	char path[64], *text;
	int r = 0;

	if (p->first == p->leader)
		o->mm_stat = p->stat;
	else
		r = proc_stat_read(sp->proc_fd, pid, tid, &o->mm_stat);
	snprintf(path, sizeof path, "%d/task/%d/smaps", pid, tid);
	if (r == 0)
		r = fd_slurp_at(sp->proc_fd, path, &text, NULL);
	if (r == 0)
		r = proc_maps_parse(text, &o->maps);
	if (r < 0)
		return r;
	snprintf(path, sizeof path, "%d/auxv", pid);
	if (fd_slurp_at(sp->proc_fd, path, &o->auxv, &o->auxv_len) < 0)
		o->auxv = NULL;
	snprintf(path, sizeof path, "%d/exe", pid);
	if (fstatat(sp->proc_fd, path, &o->exe, 0) < 0)
		o->exe.st_ino = 0;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct outside_fd *)a)->number - ((const struct outside_fd *)b)->number;
}

static int look_at_descriptors(const struct space *sp, const struct saved_process *p, struct outside *o)
{
	struct dirent *e;
	char path[64];
	int r = 0;

	snprintf(path, sizeof path, "%d/task/%d/fd", p->leader->tgid.n, p->first->tid.n);
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
		snprintf(path, sizeof path, "%d/task/%d/fdinfo/%d", p->leader->tgid.n, p->first->tid.n, f->number);
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
	const struct look *k = arg;
	struct saved_process *p = k->s->engine->processes.at[i];

	if (!p->first)
		return;
	look_at_process(k, p);
	look_at_namespaces(k->s->space, p, &p->seen);
	if (p->owns_mm)
		p->seen.maps_error = look_at_maps(k->s->space, p, &p->seen);
	if (p->owns_fds)
		p->seen.fds_error = look_at_descriptors(k->s->space, p, &p->seen);
}

static void check_cwd(struct save *s, Process *m)
{
	size_t len = strlen(m->cwd);

	if (len <= 10 || strcmp(m->cwd + len - 10, " (deleted)"))
		return;
	m->cwd_deleted = true;
	collect_refuse(s, vpid_of(m->pid), 0, "E_CWD_DELETED", "a removed directory cannot be made again",
		       "let it change to a directory that exists", "working directory %s", m->cwd);
}

int collect_outside(struct save *s, struct pidspace_error *err)
{
	struct look k = {.s = s};
	char link[64];

	snprintf(link, sizeof link, "/proc/self/fd/%d", s->root_fd);
	ssize_t n = readlink(link, k.root, sizeof k.root - 1);
	k.root_len = n > 1 ? (size_t)n : 0;
	parallel_for(s->engine->processes.n, 8, look, &k);
	vec_each(slot, &s->engine->processes) {
		Process *m = (*slot)->m;
		if (!(*slot)->first)
			continue;
		if (!m->cwd || !m->root || !m->exe)
			return error_sys(err, -ENOMEM, "cannot read process %d", m->pid);
		check_cwd(s, m);
	}
	return 0;
}

void collect_outside_done(struct outside *o)
{
	proc_maps_done(&o->maps);
	free(o->auxv);
	free(o->timers);
	vec_each(f, &o->fd)
		free(f->info);
	vec_free(&o->fd);
	*o = (struct outside){};
}
