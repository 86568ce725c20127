/* Forked processes are nearly all alike, and most of what is asked of one has been answered by another. Where the kernel's
 * records of two are the same in everything that an answer depends on (twin_records.c), only the first is asked: no
 * entry of /proc is opened for the other, nothing is run inside it. Without BPF everybody is asked. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/twin_records.h"

#define WORTH 32 /* processes: fewer are asked sooner than the kernel checks the programs */

/* Different byte strings, numbered from 1. */
struct pool {
	VEC(struct entry { uint64_t hash; uint8_t *bytes; size_t len; }) row;
	uint32_t *slot; /* hash table: index + 1 into row */
	size_t slots;   /* a power of two */
};

static uint64_t hash_of(const uint8_t *bytes, size_t len)
{
	uint64_t h = len, w;

	for (; len >= 8; bytes += 8, len -= 8) {
		memcpy(&w, bytes, 8);
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

static int pool_grow(struct pool *p)
{
	size_t n = p->slots ? p->slots * 2 : 256;
	uint32_t *slot = calloc(n, sizeof *slot);

	if (!slot)
		return -ENOMEM;
	for (size_t i = 0; i < p->row.n; i++) {
		size_t at = p->row.at[i].hash & (n - 1);
		while (slot[at])
			at = (at + 1) & (n - 1);
		slot[at] = (uint32_t)i + 1;
	}
	free(p->slot);
	p->slot = slot;
	p->slots = n;
	return 0;
}

/* The number of these bytes, whose length is a multiple of 8; 0: no memory. */
static uint32_t pool_number(struct pool *p, const uint8_t *bytes, size_t len)
{
	uint64_t h = hash_of(bytes, len);

	if (p->row.n * 2 >= p->slots && pool_grow(p) < 0)
		return 0;
	size_t at = h & (p->slots - 1);
	for (; p->slot[at]; at = (at + 1) & (p->slots - 1)) {
		const struct entry *e = &p->row.at[p->slot[at] - 1];
		if (e->hash == h && e->len == len && !memcmp(e->bytes, bytes, len))
			return p->slot[at];
	}
	struct entry *e = vec_push(&p->row);
	if (!e)
		return 0;
	*e = (struct entry){h, malloc(len + 1), len};
	if (!e->bytes) {
		p->row.n--;
		return 0;
	}
	memcpy(e->bytes, bytes, len);
	return p->slot[at] = (uint32_t)p->row.n;
}

static void pool_done(struct pool *p)
{
	vec_each(e, &p->row)
		free(e->bytes);
	vec_free(&p->row);
	free(p->slot);
}

/* The numbers of what is known of a process. 0: it must be asked. */
struct numbers {
	uint32_t process, head, fds, maps;
};

struct matching {
	struct save_engine *e;
	VEC(struct place { pid_t pid; uint32_t at; }) order; /* of the processes, by number */
	struct numbers *of;                                   /* by process */
	struct pool process, head, fds, maps;
	VEC(uint8_t) mappings; /* of the process whose mappings come now */
	pid_t now;
};

static int by_pid(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static const struct place *find(const struct matching *m, pid_t pid)
{
	struct place key = {pid, 0};

	return m->order.n ? bsearch(&key, m->order.at, m->order.n, sizeof key, by_pid) : NULL;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static int take_process(void *arg, const struct twin_record *r)
{
	struct matching *m = arg;
	const struct place *at = find(m, r->pid);
	struct saved_process *p = at ? m->e->processes.at[at->at] : NULL;

	/* One whose leader has exited has nothing left here. */
	if (!p || p->first != p->leader || !r->mm || !r->files || !r->fs || !r->sighand)
		return 0;
	struct numbers *n = &m->of[at->at];
	p->look = (struct twin_look){true, r->mm, r->files, r->fs, r->sighand, r->fits_fds, r->cloexec};
	n->head = pool_number(&m->head, r->part[TWIN_HEAD], r->len[TWIN_HEAD]);
	if (r->fits_fds && all_zero(r->part[TWIN_LOCKS], r->len[TWIN_LOCKS]))
		n->fds = pool_number(&m->fds, r->part[TWIN_FDS], r->len[TWIN_FDS]);
	/* What is pending or runs must be looked at; several threads have more to tell; and who was made dumpable for us looks
	 * like somebody who always was. */
	if (r->fits_fds && p->n_tasks == 1 && !p->leader->was_locked && all_zero(r->part[TWIN_QUIET], r->len[TWIN_QUIET]))
		n->process = pool_number(&m->process, r->part[TWIN_PROCESS], r->len[TWIN_PROCESS]);
	return 0;
}

static void end_mappings(struct matching *m)
{
	const struct place *at = m->mappings.n ? find(m, m->now) : NULL;

	if (at)
		m->of[at->at].maps = pool_number(&m->maps, m->mappings.at, m->mappings.n);
	m->mappings.n = 0;
}

static int take_mapping(void *arg, const struct twin_mapping *map)
{
	struct matching *m = arg;

	if (map->pid != m->now)
		end_mappings(m);
	m->now = map->pid;
	if (m->mappings.n + map->len > m->mappings.cap) {
		size_t cap = (m->mappings.n + map->len) * 2;
		uint8_t *more = realloc(m->mappings.at, cap);
		if (!more)
			return -ENOMEM;
		m->mappings.at = more;
		m->mappings.cap = cap;
	}
	memcpy(m->mappings.at + m->mappings.n, map->bytes, map->len);
	m->mappings.n += map->len;
	return 0;
}

/* The first process with each number is asked, and answers for those that follow. */
static int pair_up(struct matching *m)
{
	struct save_engine *e = m->e;
	size_t most = m->process.row.n;

	most = most > m->maps.row.n ? most : m->maps.row.n;
	most = most > m->fds.row.n ? most : m->fds.row.n;
	struct saved_process **first = calloc(3 * (most + 1), sizeof *first);
	if (!first)
		return -ENOMEM;
	struct saved_process **maps = first + most + 1, **fds = maps + most + 1;
	for (size_t i = 0; i < e->processes.n; i++) {
		const struct numbers *n = &m->of[i];
		struct saved_process *p = e->processes.at[i];
		if (!p->look.told)
			continue;
		p->as = n->process ? first[n->process] : NULL;
		if (n->process && !p->as)
			first[n->process] = p;
		p->as_fds = n->fds ? fds[n->fds] : NULL;
		if (n->fds && !p->as_fds)
			fds[n->fds] = p;
		if (!n->maps || !n->head)
			continue;
		struct saved_process *like = maps[n->maps];
		if (!like)
			maps[n->maps] = p;
		else if (m->of[like->order].head == n->head)
			p->as_maps = like;
	}
	free(first);
	return 0;
}

/* Whoever has a stopped child is asked whether it has been told. */
static void ask_parents_of_stopped(struct save_engine *e)
{
	vec_each(slot, &e->processes)
		if ((*slot)->m->stop_signal && (*slot)->parent)
			(*slot)->parent->as = NULL;
}

static void forget(struct save_engine *e)
{
	vec_each(slot, &e->processes) {
		(*slot)->look = (struct twin_look){};
		(*slot)->as = (*slot)->as_maps = (*slot)->as_fds = NULL;
	}
}

static ino_t pid_namespace(const struct save *s)
{
	struct stat st;

	return fstatat(s->space->proc_fd, "1/ns/pid", &st, 0) < 0 ? 0 : st.st_ino;
}

int collect_twins(struct save *s)
{
	struct save_engine *e = s->engine;
	struct matching m = {.e = e};
	const struct twin_calls calls = {&m, take_process, take_mapping};
	size_t n = e->processes.n;
	ino_t ns = n < WORTH ? 0 : pid_namespace(s);
	int r = 0;

	if (!ns)
		return 0;
	m.of = calloc(n, sizeof *m.of);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct place *at = vec_push(&m.order);
		if (at)
			*at = (struct place){e->processes.at[i]->m->pid, (uint32_t)i};
		e->processes.at[i]->order = (uint32_t)i;
		r = at && m.of ? 0 : -ENOMEM;
	}
	if (r == 0) {
		qsort(m.order.at, n, sizeof *m.order.at, by_pid);
		r = twin_records_read(ns, &calls);
	}
	end_mappings(&m);
	if (r == 0)
		r = pair_up(&m);
	if (r < 0)
		forget(e);
	ask_parents_of_stopped(e);
	pool_done(&m.process);
	pool_done(&m.head);
	pool_done(&m.fds);
	pool_done(&m.maps);
	vec_free(&m.mappings);
	vec_free(&m.order);
	free(m.of);
	return r == -ENOMEM ? r : 0;
}
