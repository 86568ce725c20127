#include "migrate/extents.h"

#include <errno.h>

int extents_add(struct extents *x, size_t number, uint64_t start, uint64_t end)
{
	struct extent *e = vec_push(&x->at);

	if (!e)
		return -ENOMEM;
	*e = (struct extent){number, start, end};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

int extents_sort(struct extents *x)
{
	x->reach = calloc(x->at.n + 1, sizeof *x->reach);
	if (!x->reach)
		return -ENOMEM;
	if (x->at.n)
		qsort(x->at.at, x->at.n, sizeof *x->at.at, by_start);
	for (size_t i = 0; i < x->at.n; i++) {
		uint64_t before = i ? x->reach[i - 1] : 0;
		x->reach[i] = x->at.at[i].end > before ? x->at.at[i].end : before;
	}
	return 0;
}

void extents_done(struct extents *x)
{
	vec_free(&x->at);
	free(x->reach);
	x->reach = NULL;
}

/* The first that begins at or above address. */
static size_t first_from(const struct extents *x, uint64_t address)
{
	size_t lo = 0, hi = x->at.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (x->at.at[mid].start < address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void extents_between(const struct extents *x, uint64_t start, uint64_t end, size_t *ret_first, size_t *ret_end)
{
	size_t lo = first_from(x, end);

	*ret_end = lo;
	while (lo > 0 && x->reach[lo - 1] > start)
		lo--;
	*ret_first = lo;
}

size_t extents_youngest(const struct extents *x, uint64_t start, uint64_t end, const uint8_t *done)
{
	size_t lo = first_from(x, end), found = SIZE_MAX;

	while (lo-- > 0 && x->reach[lo] > start) {
		const struct extent *e = &x->at.at[lo];
		if (e->end <= start || done[lo])
			continue;
		if (found == SIZE_MAX || e->number > x->at.at[found].number)
			found = lo;
	}
	return found;
}
