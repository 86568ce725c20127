/* What processes have in common is kept once: all that one takes over from its twin (collect_twins.c), and some of what
 * most have like their parent. It is lent, and given back before the process's own messages are freed. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "kinds/task_kind.h"

static Thread *thread_of(const struct saved_process *p)
{
	return p->m->thread[0];
}

void collect_take_outside(struct saved_process *p)
{
	const struct saved_process *q = p->as;

	p->m->exe = q->m->exe;
	p->m->coredump_filter = q->m->coredump_filter;
	p->m->oom_score_adj = q->m->oom_score_adj;
	memcpy(p->seen.ns, q->seen.ns, sizeof p->seen.ns);
	p->seen.exe_dev = q->seen.exe_dev;
	p->seen.exe_ino = q->seen.exe_ino;
}

/* An earlier process that is probably like this one. NULL: there is none. */
static const struct saved_process *like(const struct saved_process *p)
{
	const struct saved_process *q = p->as ? p->as : p->parent;

	return q && q->m->n_thread ? q : NULL;
}

static bool same_bytes(const ProtobufCBinaryData *d, const uint8_t *bytes, size_t len)
{
	return d->data && d->len == len && !memcmp(d->data, bytes, len);
}

int collect_keep_xstate(struct saved_process *p, Thread *th, const uint8_t *xstate, size_t len)
{
	const struct saved_process *q = like(p);
	bool first = th == thread_of(p);

	if (first && q && same_bytes(&thread_of(q)->xstate, xstate, len)) {
		th->xstate = thread_of(q)->xstate;
		p->lent_xstate = true;
		return 0;
	}
	th->xstate.data = malloc(len);
	if (!th->xstate.data)
		return -ENOMEM;
	memcpy(th->xstate.data, xstate, th->xstate.len = len);
	return 0;
}

static void share_affinity(struct saved_process *p, const struct saved_process *q)
{
	ProtobufCBinaryData *d = &thread_of(p)->affinity;

	if (!d->data || !same_bytes(&thread_of(q)->affinity, d->data, d->len))
		return;
	free(d->data);
	*d = thread_of(q)->affinity;
	p->lent_affinity = true;
}

static void share_limits(struct saved_process *p, const struct saved_process *q)
{
	Process *m = p->m;

	if (p->as || !m->n_limit || m->n_limit != q->m->n_limit)
		return;
	for (size_t i = 0; i < m->n_limit; i++)
		if (m->limit[i]->soft != q->m->limit[i]->soft || m->limit[i]->hard != q->m->limit[i]->hard)
			return;
	for (size_t i = 0; i < m->n_limit; i++)
		limit__free_unpacked(m->limit[i], NULL);
	free(m->limit);
	m->limit = q->m->limit;
	p->lent_limits = true;
}

static int take_from_twin(struct saved_process *p, struct pidspace_error *err)
{
	const struct saved_process *q = p->as;
	Thread *th = thread_of(p);
	const Thread *its = thread_of(q);
	Process *m = p->m;

	m->action = q->m->action;
	m->n_action = q->m->n_action;
	m->limit = q->m->limit;
	m->n_limit = q->m->n_limit;
	m->itimer = q->m->itimer;
	m->n_itimer = q->m->n_itimer;
	m->umask = q->m->umask;
	m->dumpable = q->m->dumpable;
	m->child_subreaper = q->m->child_subreaper;
	m->personality = q->m->personality;
	m->thp_disable = q->m->thp_disable;
	th->cred = its->cred;
	th->clear_child_tid = its->clear_child_tid;
	th->pdeath_signal = its->pdeath_signal;
	th->timer_slack_ns = its->timer_slack_ns;
	th->no_new_privs = its->no_new_privs;
	th->altstack_sp = its->altstack_sp;
	th->altstack_flags = its->altstack_flags;
	th->altstack_size = its->altstack_size;
	th->sigmask = p->first->t.sigmask;
	int r = task_outside_take(th, p->first->t.tid);
	return r < 0 ? error_sys(err, r, "cannot read the attributes of task %d", p->first->tid.n) : 0;
}

int collect_take_answers(struct saved_process *p, struct pidspace_error *err)
{
	const struct saved_process *q = like(p);
	int r = 0;

	/* Who must not be worked in, because of a filter, has a twin with the same filter. */
	if (p->as)
		p->refused |= p->as->refused;
	if (p->refused || p->m->thread[0]->dead)
		return 0;
	if (p->as)
		r = take_from_twin(p, err);
	if (r == 0 && q) {
		share_affinity(p, q);
		share_limits(p, q);
	}
	return r;
}

void collect_take_words(struct saved_process *p)
{
	const struct saved_process *q = p->as;

	p->m->cwd = q->m->cwd;
	p->m->root = q->m->root;
	/* Nobody else uses its memory, or it would have no twin (collect_sharing). */
	p->mm->m->brk = q->mm->m->brk;
	p->mm->m->auxv = q->mm->m->auxv;
}

static void give_back_threads(struct saved_process *p)
{
	for (size_t i = 0; i < p->m->n_thread; i++)
		p->m->thread[i]->regs = (ProtobufCBinaryData){}; /* frozen_task's */
	if (p->lent_xstate)
		thread_of(p)->xstate = (ProtobufCBinaryData){};
	if (p->lent_affinity)
		thread_of(p)->affinity = (ProtobufCBinaryData){};
	if (p->as && p->m->n_thread)
		thread_of(p)->cred = NULL;
}

void collect_give_back(struct saved_process *p)
{
	Process *m = p->m;

	if (p->as_fds && p->fds) {
		p->fds->fd = NULL;
		p->fds->n_fd = 0;
	}
	if (!m)
		return;
	give_back_threads(p);
	if (p->as || p->lent_limits) {
		m->limit = NULL;
		m->n_limit = 0;
	}
	if (!p->as)
		return;
	m->exe = m->cwd = m->root = (char *)protobuf_c_empty_string;
	m->n_action = m->n_itimer = 0;
	m->action = NULL;
	m->itimer = NULL;
	if (p->mm && p->mm->m)
		p->mm->m->auxv = (ProtobufCBinaryData){};
}
