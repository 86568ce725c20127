/* What surrounds the processes and is remade by `run` rather than saved: namespaces and mounts. Whatever
 * the container has changed there beyond that is refused. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* Counts System V objects from inside the container's IPC namespace (proc(5) sysvipc shows the reader's). */
static int count_sysv(const struct save *s, int *ret)
{
	int pipefd[2], n = -1;
	char path[32];

	snprintf(path, sizeof path, "%d/ns/ipc", 1);
	_cleanup_close_ int ns = openat(s->space->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	pid_t child = fork();
	if (child == 0) {
		static const char *const files[] = {"/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"};
		int count = 0;
		if (s->space->userns_fd >= 0 && setns(s->space->userns_fd, CLONE_NEWUSER) < 0)
			count = -errno;
		if (count == 0 && setns(ns, CLONE_NEWIPC) < 0)
			count = -errno;
		for (int i = 0; i < 3 && count >= 0; i++) {
			_cleanup_free_ char *text = NULL;
			if (fd_slurp_at(AT_FDCWD, files[i], &text, NULL) < 0)
				continue;
			for (char *p = strchr(text, '\n'); p && p[1]; p = strchr(p + 1, '\n'))
				count++;
		}
		_exit(write(pipefd[1], &count, sizeof count) == sizeof count ? 0 : 1);
	}
	close(pipefd[1]);
	int r = child < 0 ? -errno : fd_read_all(pipefd[0], &n, sizeof n) == sizeof n ? 0 : -EIO;
	close(pipefd[0]);
	if (child > 0)
		waitpid(child, NULL, __WALL);
	*ret = n;
	return r < 0 ? r : n < 0 ? n : 0;
}

int collect_surroundings(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	const struct saved_process *first = collect_find(s, vpid_of(1));
	int sysv = 0;

	vec_each(slot, &e->processes) {
		struct saved_process *p = *slot;
		if (!p->first || p->m->pid == 1)
			continue;
		for (size_t i = 0; i < N_NAMESPACES; i++) {
			if (!p->seen.ns[i] || !first || p->seen.ns[i] == first->seen.ns[i])
				continue;
			collect_refuse(s, vpid_of(p->m->pid), 0, "E_NESTED_NAMESPACE",
				       "namespaces made inside the container cannot be carried yet",
				       "end that process", "%s namespace of its own", collect_namespaces[i]);
			break;
		}
	}
	if (count_sysv(s, &sysv) == 0 && sysv)
		collect_refuse(s, vpid_of(0), 0, "E_SYSV_IPC", "System V IPC cannot be carried yet",
			       "remove them (ipcs, ipcrm) or use POSIX objects", "%d System V IPC objects", sysv);
	(void)err;
	return 0;
}
