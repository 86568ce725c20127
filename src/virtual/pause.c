#include "virtual/pause.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/vec.h"
#include "tracee/tracee.h"

#define PATIENCE_NS UINT64_C(50000000)
#define DEADLINE_NS UINT64_C(10000000000)

struct virtual_pause {
	const struct virtual_pids *v;
	VEC(struct tracee *) held;
	struct vpid process; /* whose threads are being looked at */
	size_t new, busy;    /* in this look: met for the first time; held by the warden, for the moment of an exec */
};

static bool known(const struct virtual_pause *p, struct hpid tid)
{
	vec_each(t, &p->held)
		if ((*t)->tid.n == tid.n && (*t)->state != TRACEE_GONE)
			return true;
	return false;
}

static bool dead(const struct virtual_pids *v, struct vpid tid)
{
	struct proc_stat st;

	return virtual_stat(v, tid, vpid_of(0), &st) < 0 || st.state == 'Z' || st.state == 'X';
}

static int hold_thread(void *arg, struct vpid tid)
{
	struct virtual_pause *p = arg;
	struct hpid host, tgid;
	struct tracee **at, *t;

	if (virtual_to_host(p->v, tid, &host) < 0 || virtual_to_host(p->v, p->process, &tgid) < 0 || known(p, host))
		return 0;
	t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	if (tracee_seize(t, host, tgid, 0) < 0) {
		free(t);
		p->busy += !dead(p->v, tid);
		return 0;
	}
	at = vec_push(&p->held);
	if (!at) {
		tracee_release(t);
		free(t);
		return -ENOMEM;
	}
	*at = t;
	p->new++;
	tracee_interrupt(t);
	return 0;
}

static int hold_process(void *arg, struct vpid pid)
{
	struct virtual_pause *p = arg;
	int r;

	p->process = pid;
	r = virtual_each_thread(p->v, pid, hold_thread, p);
	return r == -ESRCH ? 0 : r;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* NULL: all have stopped or ended. */
static struct tracee *still_running(struct virtual_pause *p)
{
	struct tracee *waits = NULL;

	vec_each(t, &p->held)
		if (!tracee_poll_stop(*t) && !waits)
			waits = *t;
	return waits;
}

/* A parent in vfork(2) cannot stop before its child has gone on, and cannot run either: it counts as stopped. */
static bool waits_for_child(const struct virtual_pause *p, const struct tracee *t)
{
	struct vpid v;
	struct proc_stat st;

	return virtual_to_guest(p->v, t->tid, &v) == 0 && virtual_stat(p->v, v, vpid_of(0), &st) == 0 && st.state == 'D';
}

static int hold_all(struct virtual_pause *p, struct pidspace_error *err)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	uint64_t begin = now_ns();
	struct tracee *waits;
	int r;

	do {
		p->new = p->busy = 0;
		r = virtual_each(p->v, hold_process, p);
		if (r < 0)
			return error_sys(err, r, "cannot stop the container's processes");
		while ((waits = still_running(p))) {
			uint64_t took = now_ns() - begin;
			if (took > PATIENCE_NS && waits_for_child(p, waits))
				break;
			if (took > DEADLINE_NS)
				return error_set(err, -ETIMEDOUT, "E_FREEZE", "host task %d did not stop within %d s (it "
						 "waits in the kernel); try again later", waits->tid.n,
						 (int)(DEADLINE_NS / 1000000000));
			nanosleep(&ms, NULL);
		}
		if (p->busy)
			nanosleep(&ms, NULL);
	} while (p->new || (p->busy && now_ns() - begin < DEADLINE_NS));
	return 0;
}

int virtual_pause(struct virtual_pause **ret, const struct virtual_pids *v, struct pidspace_error *err)
{
	struct virtual_pause *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return error_sys(err, -ENOMEM, "cannot stop the container's processes");
	p->v = v;
	r = hold_all(p, err);
	if (r < 0)
		virtual_resume(p);
	else
		*ret = p;
	return r;
}

bool virtual_pause_over(struct virtual_pause *p)
{
	int status;

	vec_each(t, &p->held)
		if ((*t)->tid.n == p->v->init.host.n)
			return waitpid((*t)->tid.n, &status, __WALL | WNOHANG) > 0 && !WIFSTOPPED(status);
	return false;
}

/* One that was killed meanwhile cannot be let go of: it is ours until we have taken its end. */
static void let_go(struct tracee *t)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	uint64_t begin = now_ns();
	int status;

	while (t->state == TRACEE_ATTACHED && !tracee_poll_stop(t) && now_ns() - begin < DEADLINE_NS)
		nanosleep(&ms, NULL);
	if (t->state == TRACEE_STOPPED)
		tracee_release(t);
	while (waitpid(t->tid.n, &status, __WALL | WNOHANG) == 0 && now_ns() - begin < DEADLINE_NS)
		nanosleep(&ms, NULL);
}

void virtual_resume(struct virtual_pause *p)
{
	if (!p)
		return;
	/* Those that wait for others to go on stop, and can be let go of, only after these. */
	for (int later = 0; later < 2; later++)
		vec_each(t, &p->held)
			if (*t && ((*t)->state == TRACEE_ATTACHED) == later) {
				let_go(*t);
				free(*t);
				*t = NULL;
			}
	vec_free(&p->held);
	free(p);
}
