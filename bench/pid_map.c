/* What each way of keeping the pid map costs. usage: pid_map [--json] [KIND TASKS]
 *
 * A container of TASKS tasks, with vpids from 1 and host pids of which every other is a stranger's
 * (all are ours at 4 million). Conversions are of random tasks, each begun when the one before has
 * its answer; hot: over and over; cold: with the caches full of something else. A life is a number
 * reserved, bound and released. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ids/pid_map_file.h"

#define HOT 1000000 /* conversions */
#define COLD_ROUNDS 8
#define COLD 128     /* conversions after each emptying of the caches */
#define LIVES 190000 /* fits above 4,000,000 */
#define MANY_LIVES 1000000
#define EVICT (96UL << 20) /* bytes; more than the last level cache */

struct run {
	enum pid_map_kind kind;
	const char *name;
	uint32_t n;
	int fd;
	struct pid_map_header *m;
	int32_t *vpids, *hpids; /* in random order, each on its own */
	char *evict;
};

struct figures {
	double to_vpid_hot, to_hpid_hot, to_vpid_cold, to_hpid_cold; /* ns a conversion */
	double life;                                                 /* ns */
	double bytes_a_task;
	double mib_later; /* MiB of the map after MANY_LIVES more */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "pid_map: %s\n", what);
	exit(1);
}

static struct hpid host_of(const struct run *r, uint32_t v)
{
	struct hpid wanted = pid_map_wanted(r->m, vpid_of((int32_t)v));

	if (wanted.n)
		return wanted;
	return hpid_of((int32_t)(r->n >= 1000000 ? v : 20000 + 2 * v % (PID_MAP_CAPACITY - 40000)));
}

static void shuffle(int32_t *a, uint32_t n)
{
	uint32_t seed = 12345;

	for (uint32_t i = n; i-- > 1;) {
		uint32_t j =
			(uint32_t)(((uint64_t)(seed = seed * 1664525 + 1013904223) * (i + 1)) >>
				   32);
		int32_t t = a[i];

		a[i] = a[j];
		a[j] = t;
	}
}

static double bytes(const struct run *r)
{
	struct stat st;

	if (fstat(r->fd, &st) < 0)
		die("fstat");
	return (double)st.st_blocks * 512;
}

/* ns a conversion, over so many of the keys from `from` on. */
static double convert(const struct run *r, bool to_vpid, uint32_t from, uint32_t count)
{
	const int32_t *keys = to_vpid ? r->hpids : r->vpids;
	volatile uint32_t nothing = 0;
	uint32_t zero = nothing, at = from % r->n, missed = 0;
	double began = now();

	for (uint32_t i = 0; i < count; i++) {
		int32_t got = to_vpid ? pid_map_to_vpid(r->m, hpid_of(keys[at])).n
				      : pid_map_to_hpid(r->m, vpid_of(keys[at])).n;
		missed += got == 0;
		at += 1 + ((uint32_t)got & zero); /* not before the answer is there */
		if (at >= r->n)
			at = 0;
	}
	began = now() - began;
	if (missed)
		die("a task was not found");
	return began / count;
}

static double hot(const struct run *r, bool to_vpid)
{
	double best = 1e9;

	for (int i = 0; i < 3; i++) {
		double t = convert(r, to_vpid, 0, HOT);

		best = t < best ? t : best;
	}
	return best;
}

static double cold(const struct run *r, bool to_vpid)
{
	double sum = 0;
	uint32_t count = r->n < COLD ? r->n : COLD;

	for (uint32_t i = 0; i < COLD_ROUNDS; i++) {
		memset(r->evict, (int)i, EVICT);
		sum += convert(r, to_vpid, i * 7919, count);
	}
	return sum / COLD_ROUNDS;
}

static double lives(const struct run *r, uint32_t count)
{
	struct hpid owner = hpid_of(1);
	double began = now();

	for (uint32_t i = 0; i < count; i++) {
		struct vpid v;
		struct hpid h;

		if (pid_map_reserve(r->m, owner, &v) < 0)
			die("no number left");
		h = host_of(r, (uint32_t)v.n);
		if (pid_map_bind(r->m, owner, h, v) < 0 || !pid_map_release(r->m, h, v))
			die("a binding failed");
	}
	return (now() - began) / count;
}

static void populate(struct run *r)
{
	struct pid_map_options o = {.kind = r->kind, .container_id = 1};
	struct pidspace_error err = {0};

	r->fd = pid_map_create(&o, &err);
	if (r->fd < 0 || pid_map_map(r->fd, NULL, true, &r->m, &err) < 0)
		die(err.message);
	r->vpids = malloc(r->n * sizeof *r->vpids);
	r->hpids = malloc(r->n * sizeof *r->hpids);
	r->evict = malloc(EVICT);
	if (!r->vpids || !r->hpids || !r->evict)
		die("out of memory");
	for (uint32_t i = 0; i < r->n; i++) {
		struct vpid v;
		struct hpid h;

		if (pid_map_reserve(r->m, hpid_of(1), &v) < 0)
			die("no number left");
		h = host_of(r, (uint32_t)v.n);
		if (pid_map_bind(r->m, hpid_of(1), h, v) < 0)
			die("a binding failed");
		r->vpids[i] = v.n;
		r->hpids[i] = h.n;
	}
	shuffle(r->vpids, r->n);
	shuffle(r->hpids, r->n);
}

static struct figures measure(struct run *r)
{
	struct figures f;

	populate(r);
	f.bytes_a_task = bytes(r) / r->n;
	f.to_vpid_hot = hot(r, true);
	f.to_hpid_hot = hot(r, false);
	f.to_vpid_cold = cold(r, true);
	f.to_hpid_cold = cold(r, false);
	f.life = lives(r, LIVES);
	lives(r, MANY_LIVES - LIVES);
	f.mib_later = bytes(r) / (1 << 20);
	pid_map_unmap(r->m);
	close(r->fd);
	free(r->vpids);
	free(r->hpids);
	free(r->evict);
	return f;
}

static const struct {
	enum pid_map_kind kind;
	const char *name;
	uint32_t most;
} kinds[] = {
	{PID_MAP_DIRECT, "direct", 4000000},
	{PID_MAP_HASH, "hash", 4000000},
	{PID_MAP_MASKED, "masked", 100000},
};

static void print(const struct run *r, const struct figures *f, bool json, bool first)
{
	if (json)
		printf("%s{\"kind\": \"%s\", \"tasks\": %u, \"to_vpid_hot_ns\": %.2f, "
		       "\"to_hpid_hot_ns\": %.2f, \"to_vpid_cold_ns\": %.1f, \"to_hpid_cold_ns\": "
		       "%.1f, "
		       "\"life_ns\": %.1f, \"bytes_a_task\": %.1f, \"mib_later\": %.2f}",
		       first ? "" : ",\n ", r->name, r->n, f->to_vpid_hot, f->to_hpid_hot,
		       f->to_vpid_cold, f->to_hpid_cold, f->life, f->bytes_a_task, f->mib_later);
	else
		printf("%-7s %8u %9.1f %9.1f %9.0f %9.0f %9.0f %9.1f %9.2f\n", r->name, r->n,
		       f->to_vpid_hot, f->to_hpid_hot, f->to_vpid_cold, f->to_hpid_cold, f->life,
		       f->bytes_a_task, f->mib_later);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {10, 1000, 100000, 4000000};
	bool json = argc > 1 && !strcmp(argv[1], "--json"), first = true;
	const char *only = argc > json + 2 ? argv[json + 1] : NULL;
	uint32_t tasks = only ? (uint32_t)strtoul(argv[json + 2], NULL, 10) : 0;

	if (argc > json + 3 || argc == json + 2 || (only && !tasks))
		die("usage: pid_map [--json] [KIND TASKS]");
	printf("%s", json ? "["
			  : "kind       tasks  h->v hot  v->h hot h->v cold v->h cold      life "
			    "bytes/task MiB later\n");
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
			struct run r = {.kind = kinds[k].kind,
					.name = kinds[k].name,
					.n = only ? tasks : sizes[s]};
			struct figures f;

			if (r.n > kinds[k].most || (only && (s || strcmp(only, r.name))))
				continue;
			f = measure(&r);
			print(&r, &f, json, first);
			first = false;
		}
	printf("%s", json ? "]\n" : "");
	return first;
}
