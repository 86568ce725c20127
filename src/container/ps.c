/* What runs in a container, and its pids on both sides. Read through the container's own procfs, so
 * every number is the container's already; the host's come from the kernel, one ioctl a task. Tasks come
 * and go while they are read: one that vanishes at whatever point is left out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"
#include "container/registry.h"
#include "kernel/proc_stat.h"

struct reading {
	struct pids pids;
	const char *name;
	bool threads;
	int64_t boot_ns; /* CLOCK_REALTIME when CLOCK_BOOTTIME was 0 */
	uint64_t tick_ns, page_bytes;
	VEC(struct pidspace_task) tasks;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Start times in /proc are boot time as it reads in *our* time namespace, not in the container's
 * (fs/proc/array.c: timens_add_boottime_ns() is about current), and so is our CLOCK_BOOTTIME: the
 * offsets cancel out. */
static void reading_init(struct reading *r, const char *name, bool threads)
{
	*r = (struct reading){
		.name = name,
		.threads = threads,
		.boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME),
		.tick_ns = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK),
		.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
	};
}

/* Arguments are separated, and normally ended, by NUL; a program may have put anything else there
 * (setproctitle). Kernel tasks and zombies have none. */
static void read_command(const struct pids_proc *at, struct pidspace_task *t)
{
	ssize_t n = proc_read_file(at->dir, at->number, 0, "cmdline", t->command, sizeof t->command);

	while (n > 0 && t->command[n - 1] == 0)
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (t->command[i] == 0)
			t->command[i] = ' ';
	if (n <= 0)
		snprintf(t->command, sizeof t->command, "[%s]", t->comm);
}

static int read_owner(const struct pids_proc *at, struct pidspace_task *t)
{
	struct proc_status status;
	int r = proc_status_read(at->dir, at->number, 0, &status);

	if (r < 0)
		return r;
	t->uid = status.uid[1];
	proc_status_done(&status);
	return 0;
}

/* One task, tid 0: the process. Returns -ESRCH when it is gone. */
static int read_task(const struct reading *r, struct vpid pid, struct vpid tid, struct pidspace_task *t)
{
	struct proc_stat stat;
	struct pids_proc at;
	struct hpid host;
	int n = pids_stat(&r->pids, pid, tid, &stat);

	if (n >= 0)
		n = pids_proc(&r->pids, tid.n ? tid : pid, &at);
	if (n >= 0)
		n = read_owner(&at, t);
	if (n < 0)
		return n;
	t->pid = tid.n ? tid.n : pid.n;
	t->tgid = pid.n;
	t->ppid = stat.ppid;
	t->pgid = stat.pgid;
	t->sid = stat.sid;
	t->state = stat.state;
	t->cpu_ns = (stat.utime_ticks + stat.stime_ticks) * r->tick_ns;
	t->rss_bytes = stat.rss_pages * r->page_bytes;
	t->start_ns = r->boot_ns + (int64_t)(stat.start_ticks * r->tick_ns);
	t->threads = (uint32_t)stat.threads;
	snprintf(t->comm, sizeof t->comm, "%.63s", stat.comm);
	snprintf(t->container, sizeof t->container, "%s", r->name);
	n = pids_to_host(&r->pids, vpid_of(t->pid), &host);
	t->host_pid = n < 0 ? 0 : host.n;
	read_command(&at, t);
	return n;
}

/* A new last element for it, unless it is gone. */
static int add_task(struct reading *r, struct vpid pid, struct vpid tid)
{
	struct pidspace_task *t = vec_push(&r->tasks);
	int n;

	if (!t)
		return -ENOMEM;
	n = read_task(r, pid, tid, t);
	if (n < 0)
		r->tasks.n--;
	return n == -ESRCH ? 0 : n;
}

struct process {
	struct reading *r;
	struct vpid pid;
};

static int add_thread(void *arg, struct vpid tid)
{
	struct process *p = arg;

	return add_task(p->r, p->pid, tid);
}

static int add_process(void *arg, struct vpid pid)
{
	struct reading *r = arg;
	struct process p = {r, pid};
	int n;

	if (!r->threads)
		return add_task(r, pid, vpid_of(0));
	n = pids_each_thread(&r->pids, pid, add_thread, &p);
	return n == -ESRCH ? 0 : n;
}

static int by_pid(const void *pa, const void *pb)
{
	const struct pidspace_task *a = pa, *b = pb;

	if (a->tgid != b->tgid)
		return a->tgid < b->tgid ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

int pidspace_ps(struct pidspace *p, const char *name, bool threads, struct pidspace_task **ret,
		size_t *ret_n, struct pidspace_error *err)
{
	struct entry *e;
	struct reading r;
	int n = entry_open(p, name, &e, err);

	if (n < 0)
		return n;
	reading_init(&r, name, threads);
	n = entry_pids(e, &r.pids, err);
	entry_free(e);
	if (n < 0)
		return n;
	n = pids_each(&r.pids, add_process, &r);
	pids_done(&r.pids);
	if (n < 0) {
		vec_free(&r.tasks);
		return error_sys(err, n, "cannot read the processes of container %s", name);
	}
	if (r.tasks.n)
		qsort(r.tasks.at, r.tasks.n, sizeof *r.tasks.at, by_pid);
	*ret = r.tasks.at;
	*ret_n = r.tasks.n;
	return 0;
}

int pidspace_host_pid(struct pidspace *p, const char *name, pid_t pid, pid_t *ret_host_pid,
		      struct pidspace_error *err)
{
	struct entry *e;
	struct pids s;
	struct hpid host;
	int n = entry_open(p, name, &e, err);

	if (n < 0)
		return n;
	n = entry_attach(e, &s, err);
	entry_free(e);
	if (n < 0)
		return n;
	n = pids_to_host(&s, vpid_of(pid), &host);
	pids_done(&s);
	if (n == -ESRCH)
		return error_set(err, n, "E_NO_SUCH_PID", "container %s has no process %d", name, pid);
	if (n < 0)
		return error_sys(err, n, "cannot translate %s:%d", name, pid);
	*ret_host_pid = host.n;
	return 0;
}

int pidspace_guest_pid(struct pidspace *p, pid_t host_pid, char **ret_name, pid_t *ret_pid,
		       struct pidspace_error *err)
{
	struct entry **list;
	struct vpid pid;
	size_t n_list;
	char *name = NULL;
	int n = entry_list(p, &list, &n_list, err);

	if (n < 0)
		return n;
	for (size_t i = 0; i < n_list && !name; i++) {
		struct pids s;
		if (entry_attach(list[i], &s, NULL) < 0) /* it has ended */
			continue;
		if (pids_to_guest(&s, hpid_of(host_pid), &pid) == 0)
			name = strdup(list[i]->record.name);
		pids_done(&s);
	}
	entry_list_free(list);
	if (!name)
		return error_set(err, -ESRCH, "E_NO_SUCH_PID",
				 "host process %d is in none of the caller's containers", host_pid);
	*ret_name = name;
	*ret_pid = pid.n;
	return 0;
}
