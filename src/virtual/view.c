/* A container with virtual pids seen from outside: its numbers and processes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"
#include "virtual/virtual.h"
#include "virtual/warden.h"

int virtual_attach(struct virtual_pids *ret, struct hpid init, struct hpid warden, struct pidspace_error *err)
{
	struct virtual_pids v = VIRTUAL_PIDS_EMPTY;
	_cleanup_close_ int fd = -1;
	char path[64];
	int r = task_ref_open(&v.init, init, vpid_of(1));

	if (r == 0)
		r = task_ref_open(&v.warden, warden, vpid_of(0));
	snprintf(path, sizeof path, "/proc/%d/fd/%d", warden.n, WARDEN_MEMFD);
	if (r == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : place_open(&v.place, fd, false);
	}
	/* What was opened is the container's only if it says so. */
	if (r == 0 && (v.place.common->init_host != init.n || v.place.common->warden_host != warden.n))
		r = -ESRCH;
	if (r < 0) {
		virtual_done(&v);
		return error_set(err, r == -ENOENT ? -ESRCH : r, "E_STOPPED", "its init or its warden is gone");
	}
	*ret = v;
	return 0;
}

void virtual_done(struct virtual_pids *v)
{
	task_ref_done(&v->init);
	task_ref_done(&v->warden);
	place_close(&v->place);
	fd_closep(&v->hold);
}

int virtual_to_host(const struct virtual_pids *v, struct vpid pid, struct hpid *ret)
{
	struct hpid h = pid_map_to_hpid(v->place.map, pid);

	if (!h.n || !place_is_ours(&v->place, h, pid))
		return -ESRCH;
	*ret = h;
	return 0;
}

int virtual_to_guest(const struct virtual_pids *v, struct hpid pid, struct vpid *ret)
{
	struct vpid g = pid_map_to_vpid(v->place.map, pid);

	if (!g.n || !place_is_ours(&v->place, pid, g))
		return -ESRCH;
	*ret = g;
	return 0;
}

int virtual_ref(const struct virtual_pids *v, struct vpid pid, struct task_ref *ret)
{
	struct task_ref ref;
	struct hpid h;
	struct vpid again;
	int r = virtual_to_host(v, pid, &h);

	if (r < 0)
		return r;
	r = task_ref_open(&ref, h, pid);
	if (r < 0)
		return r;
	/* It may have ended, and its number gone to another, before the reference was opened. */
	r = virtual_to_guest(v, h, &again);
	if (r < 0 || again.n != pid.n) {
		task_ref_done(&ref);
		return -ESRCH;
	}
	*ret = ref;
	return 0;
}

int virtual_each(const struct virtual_pids *v, int (*fn)(void *arg, struct vpid pid), void *arg)
{
	struct vpid at = {0};
	int r = 0;

	while (r == 0 && (at = pid_map_next(v->place.map, at)).n) {
		struct hpid h = pid_map_to_hpid(v->place.map, at);
		if (!(pid_map_flags(v->place.map, h, at) & TASK_THREAD) && place_is_ours(&v->place, h, at))
			r = fn(arg, at);
	}
	return r;
}

static int by_number(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

int virtual_each_thread(const struct virtual_pids *v, struct vpid pid, int (*fn)(void *arg, struct vpid tid), void *arg)
{
	VEC(pid_t) tids = {0};
	struct hpid h;
	struct dirent *d;
	char path[64];
	DIR *dir;
	int r = virtual_to_host(v, pid, &h);

	if (r < 0)
		return r;
	snprintf(path, sizeof path, "/proc/%d/task", h.n);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((d = readdir(dir))) {
		struct vpid g = pid_map_to_vpid(v->place.map, hpid_of(atoi(d->d_name)));
		pid_t *at = g.n ? vec_push(&tids) : NULL;
		if (at)
			*at = g.n;
	}
	closedir(dir);
	if (tids.n)
		qsort(tids.at, tids.n, sizeof *tids.at, by_number);
	for (size_t i = 0; i < tids.n && r == 0; i++)
		r = fn(arg, vpid_of(tids.at[i]));
	vec_free(&tids);
	return r;
}

/* Of what is not the container's there is no number in it. */
static pid_t inside(const struct virtual_pids *v, pid_t host)
{
	return host > 0 ? pid_map_to_vpid(v->place.map, hpid_of(host)).n : host;
}

int virtual_stat(const struct virtual_pids *v, struct vpid pid, struct vpid tid, struct proc_stat *ret)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct hpid h, t = {0};
	int r = virtual_to_host(v, pid, &h);

	if (r == 0 && tid.n)
		r = virtual_to_host(v, tid, &t);
	if (r == 0)
		r = proc < 0 ? -errno : proc_stat_read(proc, h.n, t.n, ret);
	if (r < 0)
		return r;
	ret->pid = tid.n ? tid.n : pid.n;
	ret->ppid = inside(v, ret->ppid);
	ret->pgid = inside(v, ret->pgid);
	ret->sid = inside(v, ret->sid);
	ret->tpgid = inside(v, ret->tpgid);
	return 0;
}

struct killing {
	const struct virtual_pids *v;
	int alive; /* met in this round */
};

static int kill_one(void *arg, struct vpid pid)
{
	struct killing *k = arg;
	struct proc_stat st;
	struct task_ref ref;

	if (virtual_ref(k->v, pid, &ref) == 0) {
		k->alive += virtual_stat(k->v, pid, vpid_of(0), &st) == 0 && st.state != 'Z';
		task_ref_kill(&ref, SIGKILL);
		task_ref_done(&ref);
	}
	return 0;
}

void virtual_kill(const struct virtual_pids *v)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	struct killing k = {.v = v, .alive = 1};

	/* Those that are just being born are met in the next round. */
	for (int i = 0; i < 10000 && k.alive; i++) {
		k.alive = 0;
		virtual_each(v, kill_one, &k);
		if (k.alive)
			nanosleep(&ms, NULL);
	}
}

bool virtual_ended(const struct virtual_pids *v, int *ret_status)
{
	if (!v->place.common || !__atomic_load_n(&v->place.common->ended, __ATOMIC_ACQUIRE))
		return false;
	*ret_status = v->place.common->init_status;
	return true;
}
