#include "space/translate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/sys.h"

/* The numbers of one task, from the reader's namespace inwards, as /proc/PID/status has them. */
static int read_nspid(int proc, const char *path, pid_t *levels, size_t max)
{
	_cleanup_free_ char *text = NULL;
	const char *at;
	size_t n = 0;
	int r = fd_slurp_at(proc, path, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return -ENOSYS;
	for (at += 7; n < max && *at && *at != '\n';) {
		char *end;
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		levels[n++] = (pid_t)pid;
		at = end;
	}
	return (int)n;
}

/* How deep the container's namespace lies below ours: init has one number per level. */
static int depth_of(const struct space *s)
{
	char path[64];
	pid_t levels[32];
	int n;

	snprintf(path, sizeof path, "/proc/%d/status", s->init.host.n);
	n = read_nspid(AT_FDCWD, path, levels, 32);
	return n < 0 ? n : n - 1;
}

/* Is the task inside the container's namespace or one nested in it? Its /proc entry in the
 * container's own procfs exists exactly then; that entry must also be the same task. */
static int number_at(const struct space *s, const char *task, int depth, pid_t *ret)
{
	pid_t levels[32], inner[32];
	char path[160];
	int n, m;

	snprintf(path, sizeof path, "/proc/%s/status", task);
	n = read_nspid(AT_FDCWD, path, levels, 32);
	if (n < 0)
		return n;
	if (n <= depth)
		return -ESRCH;
	if (n == depth + 1) {
		struct stat st;

		/* A zombie still has the link. Without the right to read it (a task that is not
		 * dumpable) it could be any container's task with this number: rather none. */
		snprintf(path, sizeof path, "/proc/%s/ns/pid", task);
		if (stat(path, &st) < 0 || st.st_ino != s->pidns_ino)
			return -ESRCH;
	}
	if (s->proc_fd < 0) { /* nested ones cannot be told from a stranger's then */
		*ret = levels[depth];
		return n == depth + 1 ? 0 : -ESRCH;
	}
	snprintf(path, sizeof path, "%d/status", levels[depth]);
	m = read_nspid(s->proc_fd, path, inner, 32);
	if (m != n - depth)
		return -ESRCH;
	if (memcmp(inner, levels + depth, (size_t)m * sizeof *inner))
		return -ESRCH;
	*ret = levels[depth];
	return 0;
}

int translate_scan_to_guest(const struct space *s, struct hpid pid, struct vpid *ret)
{
	int depth = depth_of(s);
	char task[16];
	pid_t n;
	int r;

	if (depth < 0)
		return depth;
	snprintf(task, sizeof task, "%d", pid.n);
	r = number_at(s, task, depth, &n);
	if (r < 0)
		return r;
	*ret = vpid_of(n);
	return 0;
}

/* Looks through the threads of one process. 1: found. */
static int scan_threads(const struct space *s, const char *process, int depth, pid_t want, pid_t *ret)
{
	char path[300];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%s/task", process);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((d = readdir(dir))) {
		char task[600];
		pid_t n;

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(task, sizeof task, "%s/task/%s", process, d->d_name);
		if (strlen(task) < 100 && number_at(s, task, depth, &n) == 0 && n == want) {
			*ret = atoi(d->d_name);
			closedir(dir);
			return 1;
		}
	}
	closedir(dir);
	return 0;
}

int translate_scan_to_host(const struct space *s, struct vpid pid, struct hpid *ret)
{
	int depth = depth_of(s), found = 0;
	struct dirent *d;
	pid_t host;
	DIR *dir;

	if (depth < 0)
		return depth;
	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while (!found && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			found = scan_threads(s, d->d_name, depth, pid.n, &host);
	closedir(dir);
	if (!found)
		return -ESRCH;
	*ret = hpid_of(host);
	return 0;
}

int space_to_host(const struct space *s, struct vpid pid, struct hpid *ret)
{
	int n = ioctl(s->pidns_fd, SYS_NS_GET_PID_FROM_PIDNS, pid.n);

	if (n < 0 && (errno == ENOTTY || errno == EINVAL))
		return translate_scan_to_host(s, pid, ret);
	if (n < 0)
		return -errno;
	*ret = hpid_of(n);
	return 0;
}

int space_to_guest(const struct space *s, struct hpid pid, struct vpid *ret)
{
	int n = ioctl(s->pidns_fd, SYS_NS_GET_PID_IN_PIDNS, pid.n);

	if (n < 0 && (errno == ENOTTY || errno == EINVAL))
		return translate_scan_to_guest(s, pid, ret);
	if (n < 0)
		return -errno;
	*ret = vpid_of(n);
	return 0;
}

/* Between opening the pidfd and the last line the process was not reaped, so the host number was
 * its own all the while, and with it the translation asked for in between. */
int space_ref(const struct space *s, struct vpid pid, struct task_ref *ret)
{
	struct task_ref ref = TASK_REF_EMPTY;
	struct hpid host, again;
	int r = space_to_host(s, pid, &host);

	if (r < 0)
		return r;
	r = task_ref_open(&ref, host, pid);
	if (r < 0) /* EINVAL: a thread that leads no process */
		return r == -EINVAL || r == -ENOENT ? -ESRCH : r;
	r = space_to_host(s, pid, &again);
	if (r >= 0 && again.n != host.n)
		r = -ESRCH;
	if (r >= 0)
		r = task_ref_kill(&ref, 0);
	if (r == -EPERM) /* alive, only not ours to signal */
		r = 0;
	if (r < 0) {
		task_ref_done(&ref);
		return r;
	}
	*ret = ref;
	return 0;
}
