/* Interval timers and POSIX timers: setitimer(2), timer_create(2), /proc/PID/timers (proc(5)). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "base/error.h"
#include "kernel/sys.h"
#include "kinds/task_kind.h"

static int add_posix_timer(Process *p, PosixTimer **ret)
{
	PosixTimer **more = reallocarray(p->posix_timer, p->n_posix_timer + 1, sizeof *more);
	PosixTimer *t = malloc(sizeof *t);

	if (more)
		p->posix_timer = more;
	if (!more || !t) {
		free(t);
		return -ENOMEM;
	}
	posix_timer__init(t);
	p->posix_timer[p->n_posix_timer++] = t;
	*ret = t;
	return 0;
}

/* ID: 0 / signal: 60/00007fff86fd8e88 / notify: signal/pid.2634 / ClockID: 1 */
static void read_posix_timers(struct task_view *v)
{
	PosixTimer *t = NULL;
	char how[16], role[8];
	unsigned long long value;
	unsigned id, sig;
	int who, clock;

	if (!v->timers)
		return;
	for (char *save, *l = strtok_r(v->timers, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (sscanf(l, "ID: %u", &id) == 1) {
			if (add_posix_timer(v->process, &t) < 0)
				return;
			t->id = id;
		} else if (t && sscanf(l, "signal: %u/%llx", &sig, &value) == 2) {
			t->signal = sig;
			t->value = value;
		} else if (t && sscanf(l, "notify: %15[^/]/%7[^.].%d", how, role, &who) == 3) {
			t->notify = !strcmp(how, "none") ? SIGEV_NONE
				    : !strcmp(how, "thread") ? SIGEV_THREAD : SIGEV_SIGNAL;
			if (!strcmp(role, "tid")) {
				t->notify |= SIGEV_THREAD_ID;
				t->tid = who;
			}
		} else if (t && sscanf(l, "ClockID: %d", &clock) == 1) {
			t->clock = clock;
		}
	}
}

static void timers_ask(struct task_view *v, struct batch *b)
{
	if (!v->first)
		return;
	v->q.itimers = batch_out(b, 3 * sizeof(struct itimerval));
	for (int i = 0; i < 3; i++)
		BATCH_CALL(b, "getitimer", SYS_getitimer, i,
			   BATCH_DATA(v->q.itimers + (size_t)i * sizeof(struct itimerval)));
	read_posix_timers(v);
	v->q.n_timers = v->process->n_posix_timer;
	if (!v->q.n_timers)
		return;
	v->q.timers = batch_out(b, v->q.n_timers * sizeof(struct itimerspec));
	for (size_t i = 0; i < v->q.n_timers; i++) {
		int c = BATCH_CALL(b, "timer_gettime", SYS_timer_gettime, v->process->posix_timer[i]->id,
				   BATCH_DATA(v->q.timers + i * sizeof(struct itimerspec)));
		if (i == 0)
			v->q.first_timer = c + (int)v->q.n_timers;
	}
	for (size_t i = 0; i < v->q.n_timers; i++) {
		int c = BATCH_CALL(b, "timer_getoverrun", SYS_timer_getoverrun,
				   v->process->posix_timer[i]->id);
		batch_may_fail(b, c);
	}
}

static uint64_t micros(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static uint64_t nanos(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int timers_take(struct task_view *v, const struct batch *b, struct pidspace_error *err)
{
	const struct itimerval *it = v->first ? batch_bytes(b, v->q.itimers) : NULL;
	Process *p = v->process;

	if (!it)
		return 0;
	p->itimer = calloc(3, sizeof *p->itimer);
	if (!p->itimer)
		return error_sys(err, -ENOMEM, "cannot read timers of process %d", p->pid);
	for (; p->n_itimer < 3; p->n_itimer++, it++) {
		IntervalTimer *t = malloc(sizeof *t);
		if (!t)
			return error_sys(err, -ENOMEM, "cannot read timers of process %d", p->pid);
		interval_timer__init(t);
		t->value_us = micros(it->it_value);
		t->interval_us = micros(it->it_interval);
		/* While its SIGALRM is pending an interval timer reads 0: it must be armed again. */
		if (!t->value_us && t->interval_us)
			t->value_us = 1;
		p->itimer[p->n_itimer] = t;
	}
	for (size_t i = 0; i < v->q.n_timers; i++) {
		const struct itimerspec *ts = (const struct itimerspec *)batch_bytes(b, v->q.timers) + i;
		int64_t over = batch_result(b, v->q.first_timer + (int)i);
		p->posix_timer[i]->remaining_ns = nanos(ts->it_value);
		p->posix_timer[i]->interval_ns = nanos(ts->it_interval);
		p->posix_timer[i]->overrun = over > 0 ? (uint32_t)over : 0;
	}
	return 0;
}

const struct task_kind task_timers = {"timers", timers_ask, timers_take};

static void create_posix_timer(const PosixTimer *t, struct batch *b)
{
	struct sigevent ev = {.sigev_signo = (int)t->signal, .sigev_notify = (int)t->notify};
	uint64_t value = t->value;
	int32_t id = (int32_t)t->id;
	struct itimerspec ts = {
		.it_value = {(time_t)(t->remaining_ns / 1000000000), (long)(t->remaining_ns % 1000000000)},
		.it_interval = {(time_t)(t->interval_ns / 1000000000), (long)(t->interval_ns % 1000000000)},
	};

	memcpy(&ev.sigev_value, &value, sizeof value);
	if (t->notify & SIGEV_THREAD_ID)
		ev._sigev_un._tid = t->tid;
	size_t e = batch_in(b, &ev, sizeof ev), i = batch_in(b, &id, sizeof id);
	BATCH_CALL(b, "timer_create", SYS_timer_create, t->clock, BATCH_DATA(e), BATCH_DATA(i));
	if (!t->remaining_ns)
		return;
	size_t s = batch_in(b, &ts, sizeof ts);
	BATCH_CALL(b, "timer_settime", SYS_timer_settime, t->id, 0, BATCH_DATA(s), 0);
}

/* The timer with the smallest id from `from` on. */
static const PosixTimer *next_timer(const Process *p, uint32_t from)
{
	const PosixTimer *best = NULL;

	for (size_t i = 0; i < p->n_posix_timer; i++)
		if (p->posix_timer[i]->id >= from && (!best || p->posix_timer[i]->id < best->id))
			best = p->posix_timer[i];
	return best;
}

static void spend_timer_id(uint32_t id, struct batch *b)
{
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	int32_t got = -1;
	size_t e = batch_in(b, &ev, sizeof ev), i = batch_in(b, &got, sizeof got);

	BATCH_CALL(b, "timer_create", SYS_timer_create, CLOCK_MONOTONIC, BATCH_DATA(e), BATCH_DATA(i));
	BATCH_CALL(b, "timer_delete", SYS_timer_delete, id);
}

void task_timers_late(const Process *p, struct batch *b)
{
	for (size_t i = 0; i < p->n_itimer; i++) {
		const IntervalTimer *t = p->itimer[i];
		struct itimerval v = {
			.it_value = {(time_t)(t->value_us / 1000000), (suseconds_t)(t->value_us % 1000000)},
			.it_interval = {(time_t)(t->interval_us / 1000000),
					(suseconds_t)(t->interval_us % 1000000)},
		};
		if (!t->value_us)
			continue;
		size_t at = batch_in(b, &v, sizeof v);
		BATCH_CALL(b, "setitimer", SYS_setitimer, i, BATCH_DATA(at), 0);
	}
	if (!p->n_posix_timer)
		return;
	bool chosen = prctl(SYS_PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0) == 0;
	if (chosen) {
		prctl(SYS_PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0);
		BATCH_CALL(b, "prctl(PR_TIMER_CREATE_RESTORE_IDS)", SYS_prctl, SYS_PR_TIMER_CREATE_RESTORE_IDS, 1);
	}
	for (uint32_t i = 0, next = 0; i < p->n_posix_timer; i++) {
		const PosixTimer *t = next_timer(p, next);
		if (!t)
			break;
		/* Before Linux 6.15 a process counts its timers' ids upwards from 0: use up what lies between. */
		for (; !chosen && next < t->id; next++)
			spend_timer_id(next, b);
		create_posix_timer(t, b);
		next = t->id + 1;
	}
	if (chosen)
		BATCH_CALL(b, "prctl(PR_TIMER_CREATE_RESTORE_IDS)", SYS_prctl, SYS_PR_TIMER_CREATE_RESTORE_IDS, 0);
}
