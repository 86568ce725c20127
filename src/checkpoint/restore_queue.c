/* Batches under way in several tasks at a time, so that nobody sleeps: waking a cpu takes as long as a whole batch. They
 * are finished in the order in which they were started. */
#include "checkpoint/restore.h"

#include "base/error.h"

static int finish_oldest(struct restore_engine *e, struct pidspace_error *err)
{
	struct restore_queue *q = &e->queue;
	struct queued_batch *o = &q->at[q->first];
	int r = batch_finish(o->t, &o->b, err);

	if (r < 0)
		error_add(err, r, "process %d", o->p->p->pid);
	batch_done(&o->b);
	q->first = (q->first + 1) % RESTORE_QUEUE;
	q->n--;
	return r;
}

int restore_queue_finish(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	while (e->queue.n && r == 0)
		r = finish_oldest(e, err);
	return r;
}

int restore_queue_add(struct restore_engine *e, struct restored *p, struct tracee *t, struct batch *b,
		      struct pidspace_error *err)
{
	struct restore_queue *q = &e->queue;
	int r = 0;

	/* Those who share memory have one slot for all. */
	if (!p->owns_mm)
		r = restore_queue_finish(e, err);
	else if (q->n == RESTORE_QUEUE)
		r = finish_oldest(e, err);
	if (r == 0) {
		r = batch_start(t, b, err);
		if (r < 0)
			error_add(err, r, "process %d", p->p->pid);
	}
	if (r < 0) {
		batch_done(b);
		return r;
	}
	q->at[(q->first + q->n++) % RESTORE_QUEUE] = (struct queued_batch){p, t, *b};
	*b = (struct batch){};
	return 0;
}

void restore_queue_free(struct restore_engine *e)
{
	struct restore_queue *q = &e->queue;

	for (; q->n; q->n--, q->first = (q->first + 1) % RESTORE_QUEUE)
		batch_done(&q->at[q->first].b);
}
