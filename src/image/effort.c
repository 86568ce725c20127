#include "image/effort.h"

#include <sys/resource.h>
#include <time.h>

/* On a busy machine any step can take long, without anybody being slow. */
#define DEBIT_MOST (EFFORT_FULL / 5)

static uint64_t ns_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void effort_init(struct effort *e, unsigned cpus)
{
	*e = (struct effort){.account = EFFORT_MOST, .cpus = cpus, .since = effort_now()};
}

void effort_credit(struct effort *e, uint64_t ns)
{
	e->account = ns < EFFORT_MOST - e->account ? e->account + ns : EFFORT_MOST;
}

void effort_debit(struct effort *e, uint64_t ns)
{
	ns = ns < DEBIT_MOST ? ns : DEBIT_MOST;
	e->account -= ns < e->account ? ns : e->account;
}

bool effort_wants(struct effort *e)
{
	e->owed += e->account < EFFORT_FULL ? e->account : EFFORT_FULL;
	if (e->owed < EFFORT_FULL)
		return false;
	e->owed -= EFFORT_FULL;
	return true;
}

uint64_t effort_now(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

void effort_note(struct effort *e, uint64_t now)
{
	/* Whoever does not wait for the writer reads, or will in a moment. */
	unsigned callers = e->lent || e->waiting ? e->lent : 1;

	if (e->idle)
		e->idle_ns += now - e->since;
	e->idle = callers + e->packing + e->writing < e->cpus;
	e->since = now;
}

void effort_mark(const struct effort *e, struct effort_mark *ret)
{
	struct rusage u;

	ret->idle_ns = e->idle_ns;
	ret->sleeps = getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nvcsw : 0;
	ret->cpu = ns_of(CLOCK_THREAD_CPUTIME_ID);
	ret->wall = effort_now();
}

uint64_t effort_slept(const struct effort_mark *from, const struct effort_mark *to)
{
	uint64_t wall = to->wall - from->wall, cpu = to->cpu - from->cpu;

	return to->sleeps == from->sleeps || wall < cpu ? 0 : wall - cpu;
}

static void learn(struct effort *e, uint64_t credit, uint64_t all)
{
	effort_credit(e, credit);
	effort_debit(e, all - credit);
}

void effort_wrote(struct effort *e, const struct effort_mark *from, const struct effort_mark *to)
{
	uint64_t all = to->wall - from->wall, slept = effort_slept(from, to);
	uint64_t idle = e->idle_ns - from->idle_ns;

	learn(e, slept + (idle < all - slept ? idle : all - slept), all);
}

void effort_waited(struct effort *e, const struct effort_mark *from, bool packing, bool sink_busy)
{
	uint64_t all = e->since - from->wall, idle = e->idle_ns - from->idle_ns;

	idle = idle < all ? idle : all;
	/* When callers wait for buffers, and buffers for us, the compressor is the one for whom everybody waits. Nothing
	 * is lost by that as long as the sink has something to take. */
	if (packing && e->waiting)
		idle = 0;
	if (packing && sink_busy)
		all = idle;
	learn(e, idle, all);
}
