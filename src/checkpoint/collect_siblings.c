/* Pages that siblings share only with each other, because their parent has written over them since it forked them (the
 * data of libc, mostly). The parent is given them once more for the time of the forks: its children take them over,
 * and then it gets its own. Of several such versions of a page the one that most children have is taken. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <string.h>

#define PAGE 4096ULL

struct claim {
	const struct saved_mm *parent;
	struct saved_mm *mm;
	struct orphan_page *page;
};

static int by_version(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent->id < y->parent->id ? -1 : 1;
	if (x->page->address != y->page->address)
		return x->page->address < y->page->address ? -1 : 1;
	if (x->page->frame != y->page->frame)
		return x->page->frame < y->page->frame ? -1 : 1;
	return 0;
}

static bool same_address(const struct claim *a, const struct claim *b)
{
	return a->parent == b->parent && a->page->address == b->page->address;
}

/* Equal hashes are no proof. */
static bool same_content(const struct claim *a, const struct claim *b)
{
	uint8_t x[PAGE], y[PAGE];

	return collect_read(a->mm, a->page->address, x, PAGE) == 0 &&
	       collect_read(b->mm, b->page->address, y, PAGE) == 0 && !memcmp(x, y, PAGE);
}

/* Pages of zeros are left out of an image: this one would not be written over when it is restored. */
static bool parent_has_zeros(const struct claim *c)
{
	static const uint8_t zeros[PAGE];
	uint8_t x[PAGE];

	return collect_read(c->mm->parent, c->page->address, x, PAGE) < 0 || !memcmp(x, zeros, PAGE);
}

/* claim[0..n) are of one parent and address. */
static int lend_one(struct claim *claim, size_t n)
{
	size_t best = 0, most = 0;

	for (size_t i = 0, k; i < n; i = k) {
		for (k = i; k < n && claim[k].page->frame == claim[i].page->frame; k++)
			;
		if (k - i > most) {
			most = k - i;
			best = i;
		}
	}
	if (most < 2 || parent_has_zeros(&claim[best]))
		return 0;
	struct page_run *run = vec_push(&claim[best].mm->parent->for_children);
	if (!run)
		return -ENOMEM;
	uint64_t a = claim[best].page->address;
	*run = (struct page_run){a, a + PAGE, claim[best].mm, true, false, false};
	bool hidden = claim[best].page->frame & ORPHAN_HASH;
	for (size_t i = best; i < best + most; i++)
		claim[i].page->lent = !hidden || same_content(&claim[i], &claim[best]);
	return 0;
}

/* What was lent is no content of its own any more. */
static int take_over(struct saved_mm *mm)
{
	page_runs own = {}, inherited = mm->inherited, all = mm->pages;
	size_t k = 0, o = 0;
	int r = 0;

	mm->inherited = (page_runs){};
	vec_each(run, &all) {
		for (uint64_t a = run->start; a < run->end && r == 0; a += PAGE) {
			while (o < mm->orphans.n && (mm->orphans.at[o].address < a || !mm->orphans.at[o].lent))
				o++;
			if (o == mm->orphans.n || mm->orphans.at[o].address != a) {
				r = collect_add_run(&own, a, a + PAGE, run->before, run->alone);
				continue;
			}
			for (; k < inherited.n && inherited.at[k].start < a && r == 0; k++)
				r = collect_add_run(&mm->inherited, inherited.at[k].start, inherited.at[k].end, false,
						    false);
			if (r == 0)
				r = collect_add_run(&mm->inherited, a, a + PAGE, false, false);
		}
	}
	for (; k < inherited.n && r == 0; k++)
		r = collect_add_run(&mm->inherited, inherited.at[k].start, inherited.at[k].end, false, false);
	mm->pages = own;
	vec_free(&inherited);
	vec_free(&all);
	return r;
}

int collect_siblings(struct save *s)
{
	VEC(struct claim) claims = {};
	int r = 0;

	vec_each(slot, &s->engine->mms)
		vec_each(o, &(*slot)->orphans) {
			struct claim *c = vec_push(&claims);
			if (!c) {
				vec_free(&claims);
				return -ENOMEM;
			}
			*c = (struct claim){(*slot)->parent, *slot, o};
		}
	if (claims.n)
		qsort(claims.at, claims.n, sizeof *claims.at, by_version);
	for (size_t i = 0, k; i < claims.n && r == 0; i = k) {
		for (k = i; k < claims.n && same_address(&claims.at[k], &claims.at[i]); k++)
			;
		r = lend_one(&claims.at[i], k - i);
	}
	vec_free(&claims);
	vec_each(slot, &s->engine->mms) {
		if (r == 0 && (*slot)->orphans.n)
			r = take_over(*slot);
		collect_trim_runs(&(*slot)->inherited);
		vec_free(&(*slot)->orphans);
	}
	return r;
}
