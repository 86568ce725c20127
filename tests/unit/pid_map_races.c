/* The pid map under processes that work on it at the same time and are killed at any instruction.
 *
 * Host pids are numbers only, in the first test: each worker has a few of its own, so that they
 * are recycled all the time. In the second they are real: parents fork, and parent and child bind.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ids/pid_map_file.h"

#define WORKERS 4
#define PID_MAX 420      /* so few that numbers go round quickly */
#define SPREAD_MAX 20000 /* more than there are numbers on a page */
#define HOSTS 20         /* host pids of each worker */
#define KILLS 80
#define DEADLINE 100 /* seconds; only a broken map takes so long */

/* Shared by all; what the workers find wrong is the source line of it. */
struct shared {
	uint32_t holder[SPREAD_MAX]; /* who was given this number and has not given it back */
	uint32_t done[WORKERS];      /* rounds finished, so that kills hit at work */
	uint32_t wrong;
};

struct world {
	int fd;
	enum pid_map_kind kind;
	struct pid_map_header *m;
	struct shared *s;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct pid_map_options o = {
		.kind = *(const enum pid_map_kind *)*state, .pid_max = PID_MAX, .container_id = 3};
	struct pidspace_error err = {0};

	w->kind = o.kind;
	w->fd = pid_map_create(&o, &err);
	w->s = mmap(NULL, sizeof *w->s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->fd < 0 || w->s == MAP_FAILED || pid_map_map(w->fd, NULL, true, &w->m, &err) < 0)
		return -1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pid_map_unmap(w->m);
	munmap(w->s, sizeof *w->s);
	close(w->fd);
	free(w);
	return 0;
}

#define NEED(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			__atomic_store_n(&w->s->wrong, __LINE__, __ATOMIC_SEQ_CST);                \
	} while (0)

static uint32_t next_random(uint32_t *seed)
{
	return *seed = *seed * 1664525 + 1013904223;
}

/* Worker number i, in its life number `life`: the owner and holder of what it reserves. */
static struct hpid name_of(int i, int life)
{
	return hpid_of(1 + i + WORKERS * life);
}

static struct hpid host_of(const struct world *w, int i, uint32_t n, struct vpid v)
{
	struct hpid wanted = pid_map_wanted(w->m, v);

	return wanted.n ? wanted : hpid_of((int32_t)(1000000 + i * HOSTS + n % HOSTS));
}

/* Is v, which the map just gave to me, nobody else's? */
static void take(struct world *w, struct vpid v, struct hpid me)
{
	uint32_t nobody = 0;

	NEED(pid_map_cas32(&w->s->holder[v.n], &nobody, (uint32_t)me.n));
}

static void put(struct world *w, struct vpid v)
{
	__atomic_store_n(&w->s->holder[v.n], 0, __ATOMIC_SEQ_CST);
}

/* One number from reservation to release, in one of the ways there are. */
static void one_life(struct world *w, int i, struct hpid me, uint32_t r)
{
	struct vpid v;
	struct hpid h;
	int e;

	if ((r & 7) && w->m->pid_max == PID_MAX) {
		e = pid_map_reserve(w->m, me, &v);
		NEED(e == 0 || e == -EAGAIN);
	} else {
		v = vpid_of((int32_t)(1 + (r >> 8) % (w->m->pid_max - 1)));
		e = pid_map_reserve_given(w->m, me, v);
		NEED(e == 0 || e == -EEXIST);
	}
	if (e < 0)
		return;
	take(w, v, me);
	if (!(r & 48)) {
		put(w, v);
		NEED(pid_map_cancel(w->m, me, v));
		return;
	}
	h = host_of(w, i, r >> 16, v);
	NEED(pid_map_to_hpid(w->m, v).n == 0);
	NEED(pid_map_bind(w->m, me, h, v) == 0);
	NEED(pid_map_bind(w->m, me, h, v) == 0);
	NEED(pid_map_to_hpid(w->m, v).n == h.n);
	NEED(pid_map_to_vpid(w->m, h).n == v.n);
	NEED(pid_map_change_flags(w->m, h, v, PID_MAP_FLAG_USER, 0) == 0);
	NEED(pid_map_flags(w->m, h, v) == PID_MAP_FLAG_USER);
	NEED(pid_map_next(w->m, vpid_of(v.n - 1)).n == v.n);
	put(w, v);
	NEED(pid_map_release(w->m, h, v));
}

static _Noreturn void worker(struct world *w, int i, int life)
{
	uint32_t seed = (uint32_t)(i * 7919 + life);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		one_life(w, i, name_of(i, life), next_random(&seed) >> 4);
		__atomic_fetch_add(&w->s->done[i], 1, __ATOMIC_SEQ_CST);
	}
}

/* Who is dead: the worker with the index i and its name, and what it held; i < 0: all are. */
struct dead {
	struct hpid name;
	int i;
	const struct pid_map_header *m;
	bool held[PID_MAX];
};

static bool not_of_the_dead(void *arg, struct hpid h)
{
	const struct dead *d = arg;

	if (d->i < 0)
		return false;
	if (h.n == d->name.n)
		return false;
	if (d->m->kind == PID_MAP_MASKED) /* whose a host pid is, only the vpid tells there */
		return !d->held[pid_map_to_vpid(d->m, h).n % PID_MAX];
	return h.n < 1000000 || (h.n - 1000000) / HOSTS != d->i;
}

static bool before(time_t end)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec < end;
}

static time_t deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + DEADLINE;
}

static pid_t start(struct world *w, int i, int life)
{
	pid_t pid = fork();

	if (pid == 0)
		worker(w, i, life);
	assert_true(pid > 0);
	return pid;
}

/* Kills a worker in the middle of its work and clears up after it, as the warden does. */
static void kill_one(struct world *w, int i, int life, pid_t pid, uint32_t rounds, time_t end)
{
	struct dead d = {.name = name_of(i, life), .i = i, .m = w->m};
	uint32_t want = __atomic_load_n(&w->s->done[i], __ATOMIC_SEQ_CST) + 1 + rounds;

	while ((int32_t)(__atomic_load_n(&w->s->done[i], __ATOMIC_SEQ_CST) - want) < 0 &&
	       before(end))
		sched_yield();
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int v = 1; v < PID_MAX; v++)
		d.held[v] = pid_map_swap32(&w->s->holder[v], (uint32_t)d.name.n, 0);
	pid_map_sweep(w->m, not_of_the_dead, &d);
}

static void nothing_is_left(struct world *w)
{
	struct dead all = {.i = -1};

	pid_map_sweep(w->m, not_of_the_dead, &all);
	assert_int_equal(pid_map_next_used(w->m, vpid_of(0)).n, 0);
	assert_int_equal(pid_map_tasks(w->m), 0);
	for (int v = 1; v < PID_MAX; v++) {
		assert_int_equal(pid_map_to_hpid(w->m, vpid_of(v)).n, 0);
		assert_int_equal(pid_map_to_vpid(w->m, hpid_of(1000000 + v)).n, 0);
		assert_int_equal(pid_map_reserve_given(w->m, hpid_of(1), vpid_of(v)), 0);
	}
}

static void killed_workers_leave_nothing_and_share_nothing(void **state)
{
	struct world *w = *state;
	pid_t pids[WORKERS];
	int lives[WORKERS] = {0};
	uint32_t seed = 4;
	time_t end = deadline();

	for (int i = 0; i < WORKERS; i++)
		pids[i] = start(w, i, 0);
	for (int n = 0; n < KILLS && before(end); n++) {
		uint32_t r = next_random(&seed) >> 8;
		int i = (int)(r % WORKERS);

		kill_one(w, i, lives[i], pids[i], r / WORKERS % 50, end);
		pids[i] = start(w, i, ++lives[i]);
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_int_equal(w->s->wrong, 0); /* or the line in which a worker found something */
	assert_true(before(end));
	nothing_is_left(w);
}

/* --- pages given back under work --- */

/* Numbers all over many pages are asked for, few are in use at a time, and pages go back all the
 * time: sooner or later just when something is written there. */
static void pages_go_back_while_numbers_are_given(void **state)
{
	struct world *w = *state;
	pid_t pids[WORKERS];
	uint32_t seed = 4, rounds = 0;
	size_t freed = 0;
	time_t end = deadline();

	w->m->pid_max = SPREAD_MAX;
	for (int i = 0; i < WORKERS; i++)
		pids[i] = start(w, i, 0);
	while ((freed < 4000 || rounds < 20000) && before(end) && !w->s->wrong) {
		ssize_t n = pid_map_trim(w->m);

		assert_true(n >= 0);
		freed += (size_t)n;
		rounds = __atomic_load_n(&w->s->done[next_random(&seed) % WORKERS],
					 __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	assert_int_equal(w->s->wrong, 0);
	assert_true(before(end));
	nothing_is_left(w);
}

/* --- real parents and children --- */

static bool exists(void *arg, struct hpid h)
{
	return kill(h.n, 0) == 0 || errno == EPERM;
}

/* Forks with a number of ours: parent and child bind it, whoever comes first. */
static void one_fork(struct world *w)
{
	struct hpid me = hpid_of(getpid());
	struct vpid v, seen;
	pid_t pid;
	int e = pid_map_reserve(w->m, me, &v);

	NEED(e == 0);
	if (e < 0)
		return;
	take(w, v, me);
	pid = fork();
	if (pid == 0) {
		struct hpid child = hpid_of(getpid());

		e = pid_map_bind(w->m, me, child, v);
		seen = pid_map_to_vpid(w->m, child);
		/* -ESTALE: the parent was killed and its reservation swept before we came. */
		NEED(e == 0 ? seen.n == v.n : e == -ESTALE && seen.n == 0);
		_exit(0);
	}
	if (pid < 0) {
		put(w, v);
		NEED(pid_map_cancel(w->m, me, v));
		return;
	}
	NEED(pid_map_bind(w->m, me, hpid_of(pid), v) == 0);
	NEED(pid_map_to_hpid(w->m, v).n == pid);
	NEED(waitpid(pid, NULL, 0) == pid);
	put(w, v);
	pid_map_release(w->m, hpid_of(pid), v); /* unless the sweep was here first */
}

static pid_t start_forking(struct world *w, int i)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			one_fork(w);
			__atomic_fetch_add(&w->s->done[i], 1, __ATOMIC_SEQ_CST);
		}
	}
	assert_true(pid > 0);
	return pid;
}

/* Kills a forking worker; afterwards all its children are gone and reaped too. */
static void kill_forking(struct world *w, int i, pid_t pid, uint32_t rounds, time_t end)
{
	uint32_t want = __atomic_load_n(&w->s->done[i], __ATOMIC_SEQ_CST) + rounds;

	while ((int32_t)(__atomic_load_n(&w->s->done[i], __ATOMIC_SEQ_CST) - want) < 0 &&
	       before(end))
		sched_yield();
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int v = 1; v < PID_MAX; v++)
		pid_map_swap32(&w->s->holder[v], (uint32_t)pid, 0);
	pid_map_sweep(w->m, exists, NULL); /* maybe before its child has bound */
}

static void parent_and_child_bind_whoever_comes_first(void **state)
{
	struct world *w = *state;
	pid_t pids[2];
	uint32_t seed = 9;
	time_t end = deadline();

	for (int i = 0; i < 2; i++)
		pids[i] = start_forking(w, i);
	for (int n = 0; n < 60 && before(end); n++) {
		uint32_t r = next_random(&seed) >> 8;

		kill_forking(w, (int)(r & 1), pids[r & 1], r / 2 % 4, end);
		pids[r & 1] = start_forking(w, (int)(r & 1));
	}
	for (int i = 0; i < 2; i++)
		kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		; /* the orphans are ours as well */
	assert_int_equal(w->s->wrong, 0);
	assert_true(before(end));
	pid_map_sweep(w->m, exists, NULL);
	assert_int_equal(pid_map_next_used(w->m, vpid_of(0)).n, 0);
	assert_int_equal(pid_map_tasks(w->m), 0);
}

static enum pid_map_kind direct = PID_MAP_DIRECT, hash = PID_MAP_HASH, masked = PID_MAP_MASKED;

#define ONE(f, kind)                                                                               \
	{                                                                                          \
#f " (" #kind ")", f, set_up, tear_down, &kind                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(killed_workers_leave_nothing_and_share_nothing, direct),
		ONE(killed_workers_leave_nothing_and_share_nothing, hash),
		ONE(killed_workers_leave_nothing_and_share_nothing, masked),
		ONE(pages_go_back_while_numbers_are_given, direct),
		/* Masked would need root, to choose the host pids. */
		ONE(parent_and_child_bind_whoever_comes_first, direct),
		ONE(parent_and_child_bind_whoever_comes_first, hash),
	};
	return cmocka_run_group_tests_name("pidmap races", tests, NULL, NULL);
}
