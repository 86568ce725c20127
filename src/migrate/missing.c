#include "migrate/missing.h"

#include <errno.h>

void missing_done(struct missing *m)
{
	vec_free(&m->range);
}

int missing_add(struct missing *m, uint64_t start, uint64_t end)
{
	struct missing_range *last = m->range.n ? &m->range.at[m->range.n - 1] : NULL;

	if (last && last->end == start && last->origin + (last->end - last->start) == start) {
		last->end = end;
		return 0;
	}
	struct missing_range *r = vec_push(&m->range);
	if (!r)
		return -ENOMEM;
	*r = (struct missing_range){start, end, start};
	return 0;
}

/* The first range that ends above address. */
static size_t find(const struct missing *m, uint64_t address)
{
	size_t lo = 0, hi = m->range.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (m->range.at[mid].end <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int insert(struct missing *m, size_t at, struct missing_range r)
{
	if (!vec_push(&m->range))
		return -ENOMEM;
	memmove(&m->range.at[at + 1], &m->range.at[at], (m->range.n - 1 - at) * sizeof r);
	m->range.at[at] = r;
	return 0;
}

/* Makes a range begin at address if one goes across it. */
static int split(struct missing *m, uint64_t address)
{
	size_t i = find(m, address);
	struct missing_range *r = m->range.at + i;

	if (i == m->range.n || r->start >= address)
		return 0;
	struct missing_range low = {r->start, address, r->origin};
	r->origin += address - r->start;
	r->start = address;
	return insert(m, i, low);
}

int missing_drop(struct missing *m, uint64_t start, uint64_t end)
{
	if (split(m, start) < 0 || split(m, end) < 0)
		return -ENOMEM;
	size_t from = find(m, start), to = from;
	while (to < m->range.n && m->range.at[to].start < end)
		to++;
	memmove(m->range.at + from, m->range.at + to, (m->range.n - to) * sizeof *m->range.at);
	m->range.n -= to - from;
	return 0;
}

int missing_move(struct missing *m, uint64_t from, uint64_t to, uint64_t bytes)
{
	struct missing moved = {};
	int r = split(m, from) < 0 || split(m, from + bytes) < 0 ? -ENOMEM : 0;

	for (size_t i = find(m, from); i < m->range.n && m->range.at[i].start < from + bytes && r == 0; i++) {
		struct missing_range *k = vec_push(&moved.range);
		if (!k)
			r = -ENOMEM;
		else
			*k = m->range.at[i];
	}
	if (r == 0)
		r = missing_drop(m, from, from + bytes);
	if (r == 0)
		r = missing_drop(m, to, to + bytes);
	for (size_t i = 0; i < moved.range.n && r == 0; i++) {
		struct missing_range k = moved.range.at[i];
		k.start = k.start - from + to;
		k.end = k.end - from + to;
		r = insert(m, find(m, k.start), k);
	}
	missing_done(&moved);
	return r;
}

int missing_copy(struct missing *to, const struct missing *from)
{
	*to = (struct missing){};
	for (size_t i = 0; i < from->range.n; i++) {
		struct missing_range *r = vec_push(&to->range);
		if (!r) {
			missing_done(to);
			return -ENOMEM;
		}
		*r = from->range.at[i];
	}
	return 0;
}

bool missing_origin(const struct missing *m, uint64_t address, uint64_t *ret_origin)
{
	size_t i = find(m, address);

	if (i == m->range.n || m->range.at[i].start > address)
		return false;
	*ret_origin = m->range.at[i].origin + (address - m->range.at[i].start);
	return true;
}

bool missing_next_place(const struct missing *m, uint64_t start, uint64_t end, uint64_t from,
			struct missing_range *ret)
{
	for (size_t i = find(m, from); i < m->range.n; i++) {
		const struct missing_range *r = &m->range.at[i];
		uint64_t low = r->origin, high = r->origin + (r->end - r->start);

		if (from > r->start)
			low += from - r->start;
		if (low < start)
			low = start;
		if (high > end)
			high = end;
		if (low >= high)
			continue;
		*ret = (struct missing_range){r->start + (low - r->origin), r->start + (high - r->origin), low};
		return true;
	}
	return false;
}
