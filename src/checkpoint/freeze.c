/* Stopping a whole tree. Seize all, interrupt all, then wait for all: serially it takes four times as
 * long. New tasks can appear until every one stands still, so the tree is read again until nothing is new. */
#include "checkpoint/freeze.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "kernel/proc_stat.h"
#include "kernel/sys.h"

#define DEADLINE_NS UINT64_C(10000000000)
#define VFORK_NS UINT64_C(5000000000)

uint64_t freeze_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct frozen_task *freeze_find(const struct frozen *f, struct vpid tid)
{
	vec_each(p, &f->tasks)
		if ((*p)->tid.n == tid.n)
			return *p;
	return NULL;
}

/* se.exec_start of /proc/PID/sched, in ns of the scheduler's clock; 0 where the kernel does not say. *ret_slept:
 * nr_voluntary_switches, if not NULL. */
static uint64_t exec_start(int proc_fd, const char *path, uint64_t *ret_slept)
{
	char buf[1024];
	_cleanup_close_ int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	unsigned long long ms, frac;

	if (n <= 0)
		return 0;
	buf[n] = 0;
	const char *p = strstr(buf, "se.exec_start");
	const char *v = strstr(buf, "nr_voluntary_switches");
	if (!p || !(p = strchr(p, ':')) || sscanf(p + 1, "%llu.%6llu", &ms, &frac) != 2 || !v ||
	    !(v = strchr(v, ':')))
		return 0;
	if (ret_slept)
		*ret_slept = strtoull(v + 1, NULL, 10);
	return ms * 1000000 + frac;
}

/* What to add to a cpu's clock_task to get CLOCK_MONOTONIC. Every cpu has its own: time stolen by the hypervisor
 * and by interrupts is left out of it (kernel/sched/core.c update_rq_clock_task()). So we go there and look. */
struct cpu_clocks {
	int64_t offset[CPU_SETSIZE];
	bool known[CPU_SETSIZE];
	cpu_set_t home;
	bool away;
};

static int64_t cpu_clock_offset(struct cpu_clocks *c, int cpu)
{
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return 0;
	if (c->known[cpu])
		return c->offset[cpu];
	_cleanup_close_ int self = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) == 0)
		c->away = true;
	syscall(SYS_sched_yield); /* brings our own exec_start up to date */
	uint64_t mine = exec_start(self, "sched", NULL);
	c->offset[cpu] = mine ? (int64_t)(freeze_now() - mine) : 0;
	c->known[cpu] = true;
	return c->offset[cpu];
}

/* Of the leader through the process's own directory: every entry of /proc that is looked at costs again when the
 * process is reaped. */
static uint64_t exec_start_of(const struct frozen *f, struct vpid tgid, struct vpid tid, uint64_t *ret_slept)
{
	char path[64];

	if (tid.n == tgid.n)
		snprintf(path, sizeof path, "%d/sched", tgid.n);
	else
		snprintf(path, sizeof path, "%d/task/%d/sched", tgid.n, tid.n);
	return exec_start(f->space->proc_fd, path, ret_slept);
}

/* A look at a task before it is stopped, or again afterwards. */
struct glance {
	struct vpid tgid, tid;
	int error;           /* of reading stat: it is gone */
	bool again;          /* it is known already: when it ran does not matter any more */
	struct proc_stat stat;
	uint64_t ran, slept; /* exec_start(); 0: not asked, or not told */
};

static void glance_at(const struct frozen *f, struct glance *g)
{
	g->error = proc_stat_read(f->space->proc_fd, g->tgid.n, g->tid.n == g->tgid.n ? 0 : g->tid.n, &g->stat);
	if (g->error == 0 && !g->again && g->stat.state == 'S')
		g->ran = exec_start_of(f, g->tgid, g->tid, &g->slept);
}

/* A task may have woken and begun another sleep between our look and its stop: then nothing is known of that
 * one. The stop itself counts as one sleep. */
static void forget_older_sleep(const struct frozen *f, struct frozen_task *k)
{
	uint64_t slept = 0;

	if (!k->ran_ns || k->t.state != TRACEE_STOPPED || (long)k->t.regs.orig_rax < 0 ||
	    ((long)k->t.regs.rax != -EINTR && (long)k->t.regs.rax != -516))
		return;
	if (!exec_start_of(f, k->tgid, k->tid, &slept) || slept != k->slept + 1)
		k->ran_ns = 0;
}

static int add_task(struct frozen *f, const struct glance *g, struct cpu_clocks *clocks,
		    struct hpid tgid_host, struct frozen_task **ret)
{
	struct frozen_task *k = calloc(1, sizeof *k), **slot;
	struct vpid tgid = g->tgid, tid = g->tid;
	struct hpid host = tgid_host;
	struct proc_stat st;

	if (!k || !(slot = vec_push(&f->tasks))) {
		free(k);
		return -ENOMEM;
	}
	*slot = k;
	*ret = k;
	k->tid = tid;
	k->tgid = tgid;
	if (tid.n != tgid.n && space_to_host(f->space, tid, &host) < 0) {
		k->lost = true;
		return 0;
	}
	k->slept = g->slept;
	k->ran_ns = g->ran ? g->ran + (uint64_t)cpu_clock_offset(clocks, g->stat.processor) : 0;
	int r = tracee_seize(&k->t, host, tgid_host, 0);
	if (r == 0)
		return 0;
	/* Zombies cannot be seized; neither can what someone else traces. */
	if (proc_stat_read(f->space->proc_fd, tgid.n, tid.n, &st) < 0) {
		k->lost = true;
		return 0;
	}
	k->t.tid = host;
	k->t.tgid = tgid_host;
	if (st.state == 'Z' || st.state == 'X') {
		k->zombie = true;
		k->t.state = TRACEE_GONE;
		return 0;
	}
	return r;
}

static int number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	return *s >= '1' && *s <= '9' && !*end ? (int)n : 0;
}

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* The tasks already known, by tid (index + 1 into the tasks; 0: not yet), so that a pass over 10,000 stays linear. */
struct known {
	uint32_t *at;
	size_t n;
};

static uint32_t *known_slot(struct known *k, int tid)
{
	size_t n = (size_t)tid + 1;

	if (n > k->n) {
		n += n / 2 + 1024;
		uint32_t *more = reallocarray(k->at, n, sizeof *more);
		if (!more)
			return NULL;
		memset(more + k->n, 0, (n - k->n) * sizeof *more);
		k->at = more;
		k->n = n;
	}
	return &k->at[tid];
}

struct pass {
	struct frozen *f;
	VEC(struct glance) at; /* the processes there are */
	struct known known;
	struct cpu_clocks *clocks;
	size_t fresh; /* tasks met for the first time */
};

/* g: of the task, NULL: not looked at yet. */
static int take_task(struct pass *p, struct vpid tgid, struct vpid tid, struct hpid *host,
		     const struct glance *g, struct pidspace_error *err)
{
	uint32_t *known = known_slot(&p->known, tid.n);
	struct glance own = {.tgid = tgid, .tid = tid};
	struct frozen_task *k;
	int r;

	if (!known)
		return error_sys(err, -ENOMEM, "cannot stop task %d", tid.n);
	if (*known)
		return 0;
	if (!host->n && space_to_host(p->f->space, tgid, host) < 0)
		return 0;
	if (!g)
		glance_at(p->f, &own);
	r = add_task(p->f, g ? g : &own, p->clocks, *host, &k);
	if (r == -EPERM)
		return error_set(err, r, "E_TRACED",
				 "cannot stop task %d (host %d): it is being traced, or it is not ours; end the "
				 "debugger that holds it and try again", tid.n, k->t.tid.n);
	if (r < 0)
		return error_sys(err, r, "cannot stop task %d", tid.n);
	*known = (uint32_t)p->f->tasks.n;
	if (k->lost)
		return 0;
	p->fresh++;
	if (!k->zombie)
		tracee_interrupt(&k->t);
	return 0;
}

static int scan_process(struct pass *p, const struct glance *g, struct pidspace_error *err)
{
	struct hpid host = {0};
	struct vpid tgid = g->tgid;
	struct dirent *e;
	char path[32];
	int r;

	if (g->error < 0)
		return 0;
	r = take_task(p, tgid, tgid, &host, g, err);
	/* In the last pass everything stands still: that look is the one that is kept. */
	if (r == 0 && p->known.at[tgid.n])
		p->f->tasks.at[p->known.at[tgid.n] - 1]->stat = g->stat;
	if (r < 0 || g->stat.threads <= 1)
		return r;
	snprintf(path, sizeof path, "%d/task", tgid.n);
	DIR *d = open_dir(p->f->space->proc_fd, path);
	if (!d)
		return 0;
	while (r == 0 && (e = readdir(d))) {
		int tid = number(e->d_name);
		if (tid && tid != tgid.n)
			r = take_task(p, tgid, vpid_of(tid), &host, NULL, err);
	}
	closedir(d);
	return r;
}

static int list_processes(struct pass *p, struct pidspace_error *err)
{
	struct dirent *e;
	int r = 0;

	p->at.n = 0;
	DIR *d = open_dir(p->f->space->proc_fd, ".");
	if (!d)
		return error_sys(err, -errno, "cannot list the container's processes");
	while (r == 0 && (e = readdir(d))) {
		int pid = number(e->d_name);
		struct glance *g = pid ? vec_push(&p->at) : NULL;
		uint32_t *known = pid ? known_slot(&p->known, pid) : NULL;
		if (pid && (!g || !known))
			r = error_sys(err, -ENOMEM, "cannot list the container's processes");
		else if (pid)
			*g = (struct glance){.tgid = vpid_of(pid), .tid = vpid_of(pid), .again = *known};
	}
	closedir(d);
	return r;
}

static void glance_at_one(void *arg, size_t i, unsigned worker)
{
	const struct pass *p = arg;

	glance_at(p->f, &p->at.at[i]);
}

static int scan(struct pass *p, struct pidspace_error *err)
{
	int r = list_processes(p, err);

	p->fresh = 0;
	if (r == 0)
		parallel_for(p->at.n, 16, glance_at_one, p);
	for (size_t i = 0; i < p->at.n && r == 0; i++)
		r = scan_process(p, &p->at.at[i], err);
	if (p->clocks->away)
		sched_setaffinity(0, sizeof p->clocks->home, &p->clocks->home);
	p->clocks->away = false;
	return r;
}

/* A vfork parent stops only once its child has gone on to exec or exit: let its children run a little. */
static void nudge_vfork_children(struct frozen *f, const struct frozen_task *parent)
{
	struct proc_stat st;

	vec_each(p, &f->tasks) {
		struct frozen_task *k = *p;
		if (k->tid.n != k->tgid.n || k->t.state != TRACEE_STOPPED ||
		    proc_stat_read(f->space->proc_fd, k->tgid.n, 0, &st) < 0 || st.ppid != parent->tgid.n)
			continue;
		k->t.state = TRACEE_ATTACHED;
		ptrace(PTRACE_CONT, k->t.tid.n, NULL, NULL);
		struct timespec ms = {.tv_nsec = 1000000};
		nanosleep(&ms, NULL);
		tracee_interrupt(&k->t);
	}
}

static int wait_all(struct frozen *f, struct pidspace_error *err)
{
	uint64_t start = freeze_now();
	long pause_ns = 20000;

	for (;;) {
		struct frozen_task *waits = NULL;
		vec_each(p, &f->tasks) {
			struct frozen_task *k = *p;
			if (!k->lost && !k->zombie && !tracee_poll_stop(&k->t) && !waits)
				waits = k;
		}
		if (!waits)
			return 0;
		uint64_t took = freeze_now() - start;
		if (took > 20000000)
			nudge_vfork_children(f, waits);
		if (took > (took > VFORK_NS ? DEADLINE_NS : VFORK_NS))
			return error_set(err, -ETIMEDOUT, "E_FREEZE",
					 "task %d (host %d) did not stop within %d s (it waits in the kernel, or "
					 "for a vfork child that does not go on); try again later",
					 waits->tid.n, waits->t.tid.n, (int)(took / 1000000000));
		struct timespec t = {.tv_nsec = pause_ns};
		nanosleep(&t, NULL);
		/* A stop that nobody has looked at yet is the one moment in which our death could be noticed. */
		if (took > 5000000 && pause_ns < 1000000)
			pause_ns *= 2;
	}
}

static int by_pid(const void *a, const void *b)
{
	const struct frozen_task *x = *(struct frozen_task *const *)a, *y = *(struct frozen_task *const *)b;

	if (x->tgid.n != y->tgid.n)
		return x->tgid.n < y->tgid.n ? -1 : 1;
	if ((x->tid.n == x->tgid.n) != (y->tid.n == y->tgid.n))
		return x->tid.n == x->tgid.n ? -1 : 1;
	return x->tid.n < y->tid.n ? -1 : x->tid.n > y->tid.n;
}

static void drop_gone(struct frozen *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->tasks.n; i++) {
		struct frozen_task *k = f->tasks.at[i];
		if (k->lost || (!k->zombie && k->t.state == TRACEE_GONE))
			free(k);
		else
			f->tasks.at[n++] = k;
	}
	f->tasks.n = n;
	qsort(f->tasks.at, n, sizeof *f->tasks.at, by_pid);
	f->processes = 0;
	vec_each(p, &f->tasks)
		f->processes += (*p)->tid.n == (*p)->tgid.n;
}

/* A task that ended while we waited may be a zombie by now, and one that was a zombie when we came may
 * have been reaped by its parent before that stood still: look again now that nothing runs. */
static void settle_zombies(struct frozen *f)
{
	struct proc_stat st;

	vec_each(p, &f->tasks) {
		struct frozen_task *k = *p;
		if (k->lost || k->t.state != TRACEE_GONE)
			continue;
		k->zombie = proc_stat_read(f->space->proc_fd, k->tgid.n, k->tid.n, &st) == 0 &&
			    st.state == 'Z';
	}
}

int freeze_tree(struct frozen **ret, const struct space *s, struct pidspace_error *err)
{
	struct frozen *f = calloc(1, sizeof *f);
	struct pass p = {.f = f, .clocks = calloc(1, sizeof *p.clocks)};
	int r = f && p.clocks ? 0 : error_sys(err, -ENOMEM, "cannot stop the container");

	if (r == 0) {
		f->space = s;
		sched_getaffinity(0, sizeof p.clocks->home, &p.clocks->home);
	}
	do {
		if (r == 0)
			r = scan(&p, err);
		if (r == 0)
			r = wait_all(f, err);
	} while (r == 0 && p.fresh);
	free(p.known.at);
	vec_free(&p.at);
	free(p.clocks);
	if (r < 0) {
		freeze_release(f);
		return r;
	}
	settle_zombies(f);
	drop_gone(f);
	f->stop_ns = freeze_now();
	vec_each(p, &f->tasks)
		forget_older_sleep(f, *p);
	vec_each(p, &f->tasks)
		if ((*p)->ran_ns && (*p)->ran_ns < f->stop_ns)
			(*p)->t.elapsed_ns = f->stop_ns - (*p)->ran_ns;
	if (!f->tasks.n || f->tasks.at[0]->tid.n != 1 || f->tasks.at[0]->zombie) {
		freeze_release(f);
		return error_set(err, -ESRCH, "E_GONE", "the container has ended");
	}
	*ret = f;
	return 0;
}

static void task_free(struct frozen_task *k)
{
	free(k->told.cwd);
	free(k->told.auxv);
	free(k);
}

static void frozen_free(struct frozen *f)
{
	vec_each(p, &f->tasks)
		task_free(*p);
	vec_free(&f->tasks);
	free(f);
}

/* A wait that only our stop has cut short goes on. */
static void resume_wait(struct frozen *f, struct frozen_task *k)
{
	struct user_regs_struct regs = k->t.regs;
	struct proc_status st;

	/* Its time went on while it stood still; where the kernel knows the deadline better, it shall use it. */
	k->t.elapsed_ns = k->ran_ns ? freeze_now() - k->ran_ns : 0;
	if (!k->t.elapsed_ns && (long)regs.rax != -EINTR)
		return;
	if (k->t.state != TRACEE_STOPPED || !tracee_cut_short(&k->t, &regs) ||
	    proc_status_read(f->space->proc_fd, k->tgid.n, k->tid.n, &st) < 0)
		return;
	if (!((st.pending | st.shared_pending) & ~k->t.sigmask & st.caught)) {
		tracee_step_back(&k->t, &regs);
		k->t.regs = regs;
		k->t.worked_in = true;
	}
	proc_status_done(&st);
}

void freeze_release(struct frozen *f)
{
	if (!f)
		return;
	vec_each(p, &f->tasks) {
		struct tracee *t = &(*p)->t;
		if (t->state == TRACEE_ATTACHED && t->tid.n && !(*p)->zombie && !(*p)->lost) {
			/* Still on its way to the stop: give it a moment, it must be stopped to be let go. */
			for (int i = 0; i < 100 && !tracee_poll_stop(t); i++) {
				struct timespec ms = {.tv_nsec = 1000000};
				nanosleep(&ms, NULL);
			}
		}
		resume_wait(f, *p);
		tracee_release(t);
	}
	frozen_free(f);
}

#define UNFINISHED 32 /* met by a pass before it gives up: the others will not have ended either */

/* Reaps what has ended so far, and lets stopped ones run into their end. They are killed in the order of their numbers,
 * so that is where to look; asking all of them again and again would keep a cpu from those that are dying.
 * *from: where to begin, moved past those that are done. True while any is left. */
static bool reap_killed(struct frozen *f, size_t *from, bool *ret_moved)
{
	size_t left = 0;
	int status;

	*ret_moved = false;
	for (size_t i = *from; i < f->tasks.n && left < UNFINISHED; i++) {
		struct tracee *t = &f->tasks.at[i]->t;
		if (t->state == TRACEE_STOPPED || t->state == TRACEE_ATTACHED) {
			int r = tracee_wait_now(t, &status);
			if (r == 0)
				ptrace(PTRACE_CONT, t->tid.n, NULL, NULL);
			*ret_moved |= r != -EAGAIN;
			left += r == 0 || r == -EAGAIN;
		}
		if (!left)
			*from = i + 1;
	}
	return left;
}

int freeze_kill(struct frozen *f, struct pidspace_error *err)
{
	const struct timespec moment = {.tv_nsec = 200000};
	size_t from = 1;
	bool moved;

	if (task_ref_kill(&f->space->init, SIGKILL) < 0)
		return error_set(err, -ESRCH, "E_GONE", "the container's init is gone already");
	/* As tracer we must reap every tracee, or init cannot end: its last thread waits in the kernel
	 * until no other task of the namespace is left, threads of its own included (kernel/pid_namespace.c,
	 * zap_pid_ns_processes). Which thread that is nobody knows, so each is asked in turn; one wait for
	 * any child would take statuses that are not ours. Init's own is not taken here: it is its parent's. */
	while (reap_killed(f, &from, &moved))
		if (!moved)
			nanosleep(&moment, NULL);
	f->killed = true;
	return 0;
}
