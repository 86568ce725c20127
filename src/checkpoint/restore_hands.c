/* Hands for a lazy restore, in the spaces where it is worth one: pages outside can only be copied in one by one, which makes
 * small ones. A hand moves a huge page that was filled beside its place (UFFDIO_MOVE). None is no harm. */
#include "checkpoint/restore.h"

#include "base/error.h"
#include "base/fd.h"

/* Of memory that waits and may have huge pages. */
#define WORTH ((uint64_t)8 << 20)

static uint64_t huge_bytes(const struct lazy_space *s)
{
	uint64_t sum = 0;

	vec_each(r, &s->ranges)
		sum += r->huge ? r->end - r->start : 0;
	return sum;
}

static struct restored *owner_of(struct restore_engine *e, uint32_t id)
{
	for (size_t i = 0; i < e->plan.n; i++)
		if (e->at[i].owns_mm && e->at[i].mm && e->at[i].mm->id == id && restore_is_live(&e->at[i]))
			return &e->at[i];
	return NULL;
}

/* Its thread has the rights that the process has now. */
static int lend_hand(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	struct tracee *t = &p->threads[restore_first_live(p->p)];
	struct hand h;
	struct vpid tid;
	struct hpid host;

	t->vdso = p->mm->vdso;
	if (hand_make(t, &h, &tid, NULL) < 0)
		return 0;
	int r = space_to_host(e->r->space, tid, &host);
	r = r < 0 ? error_sys(err, r, "a thread of ours did not come up") : hand_begin(&h, host, err);
	if (r == 0)
		e->o->lazy->lend(e->o->lazy->arg, p->mm->id, &h);
	fd_closep(&h.sock);
	return r;
}

int restore_lazy_hands(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->lazy.spaces.n && r == 0; i++) {
		const struct lazy_space *s = &e->lazy.spaces.at[i];
		struct restored *p = huge_bytes(s) >= WORTH ? owner_of(e, s->id) : NULL;
		if (p && p->mm->vdso)
			r = lend_hand(e, p, err);
	}
	return r;
}
