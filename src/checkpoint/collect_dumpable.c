/* A process that is not dumpable (prctl(2) PR_SET_DUMPABLE 0) keeps its /proc files to root of the first user
 * namespace, so an ordinary user cannot read its descriptors and pages, however much it may trace it. It
 * is made dumpable for the time of the save. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tracee/batch.h"

static bool locked(const struct save *s, const struct frozen_task *k)
{
	char path[48];

	snprintf(path, sizeof path, "%d/task/%d/fd", k->tgid.n, k->tid.n);
	_cleanup_close_ int fd = openat(s->space->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 && errno == EACCES;
}

static int set_dumpable(const struct save *s, struct frozen_task *k, int value, struct pidspace_error *err)
{
	struct proc_maps maps;
	char path[48], *text;

	snprintf(path, sizeof path, "%d/task/%d/maps", k->tgid.n, k->tid.n);
	int r = fd_slurp_at(s->space->proc_fd, path, &text, NULL);
	if (r == 0)
		r = proc_maps_parse(text, &maps);
	if (r < 0)
		return error_sys(err, r, "cannot read the mappings of process %d", k->tgid.n);
	vec_each(m, &maps.map)
		if (!strcmp(m->name, "[vdso]"))
			k->t.vdso = m->start;
	proc_maps_done(&maps);
	int64_t got = scratch_living_call(&k->t, SYS_prctl, PR_SET_DUMPABLE, (uint64_t)value, 0, err);
	return got < 0 ? (int)got : 0;
}

int collect_unlock(struct save *s, struct pidspace_error *err)
{
	const struct frozen_task *done = NULL;

	if (geteuid() == 0)
		return 0;
	vec_each(p, &s->engine->frozen->tasks) {
		struct frozen_task *k = *p;
		if (k->zombie || (done && done->tgid.n == k->tgid.n))
			continue;
		done = k;
		if (!locked(s, k))
			continue;
		int r = set_dumpable(s, k, 1, err);
		if (r < 0)
			return r;
		k->was_locked = true;
	}
	return 0;
}

void collect_lock(struct save *s)
{
	vec_each(p, &s->engine->frozen->tasks)
		if ((*p)->was_locked && (*p)->t.state == TRACEE_STOPPED)
			set_dumpable(s, *p, 0, NULL);
}
