/* Which of the pages to store are in the stream already, unchanged since (earlier.h). The list of pages stays
 * what it is; only where their bytes lie is noted. */
#include "checkpoint/collect.h"

#include <errno.h>

#include "base/error.h"
#include "base/parallel.h"

static int add(page_runs *runs, const struct page_run *run, uint64_t start, uint64_t end, bool earlier)
{
	struct page_run *r = vec_push(runs);

	if (!r)
		return -ENOMEM;
	*r = *run;
	r->start = start;
	r->end = end;
	r->earlier = earlier;
	return 0;
}

/* Splits the runs at the borders of what is unchanged. */
static int mark(struct saved_mm *mm, const page_ranges *same)
{
	page_runs out = {};
	size_t k = 0;
	int r = 0;

	vec_each(run, &mm->pages) {
		uint64_t at = run->start;
		while (at < run->end && r == 0) {
			while (k < same->n && same->at[k].end <= at)
				k++;
			bool in = k < same->n && same->at[k].start <= at;
			uint64_t stop = in ? same->at[k].end : k < same->n ? same->at[k].start : run->end;
			stop = stop < run->end ? stop : run->end;
			r = add(&out, run, at, stop, in);
			at = stop;
		}
	}
	if (r < 0) {
		vec_free(&out);
		return r;
	}
	vec_free(&mm->pages);
	mm->pages = out;
	return 0;
}

struct marking {
	struct save_engine *e;
	int *error; /* by mms */
};

static void mark_one(void *arg, size_t i, unsigned worker)
{
	struct marking *k = arg;
	struct saved_mm *mm = k->e->mms.at[i];
	const struct earlier *earlier = k->e->earlier;
	page_ranges same = {};
	int r = earlier->unchanged(earlier->arg, vpid_of(mm->owner->m->pid), mm->pagemap, &mm->earlier_id, &same);

	k->error[i] = r < 0 || !mm->earlier_id ? r : mark(mm, &same);
	vec_free(&same);
}

int collect_earlier(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	struct marking k = {.e = e};
	int r = 0;

	if (!e->earlier)
		return 0;
	k.error = calloc(e->mms.n + 1, sizeof *k.error);
	if (!k.error)
		return error_sys(err, -ENOMEM, "cannot compare memory");
	parallel_for(e->mms.n, 1, mark_one, &k);
	for (size_t i = 0; i < e->mms.n && r == 0; i++)
		if (k.error[i] < 0)
			r = error_sys(err, k.error[i], "cannot look for changed memory of process %d",
				      e->mms.at[i]->owner->m->pid);
	free(k.error);
	return r;
}
