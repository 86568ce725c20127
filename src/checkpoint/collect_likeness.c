/* What a process takes over from its twin (collect_twins.c): messages and strings are lent, and given back before
 * the process's own message is freed. */
#include "checkpoint/collect.h"

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
	p->seen.exe = q->seen.exe;
}

/* One that must not be worked in, because of a filter, has a twin with the same filter. */
int collect_take_answers(struct saved_process *p, struct pidspace_error *err)
{
	const struct saved_process *q = p->as;
	Process *m = p->m;

	p->refused = q->refused;
	if (q->refused)
		return 0;
	Thread *th = thread_of(p);
	const Thread *like = thread_of(q);
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
	th->cred = like->cred;
	th->clear_child_tid = like->clear_child_tid;
	th->pdeath_signal = like->pdeath_signal;
	th->timer_slack_ns = like->timer_slack_ns;
	th->no_new_privs = like->no_new_privs;
	th->altstack_sp = like->altstack_sp;
	th->altstack_flags = like->altstack_flags;
	th->altstack_size = like->altstack_size;
	th->sigmask = p->first->t.sigmask;
	int r = task_outside_take(th, p->first->t.tid);
	return r < 0 ? error_sys(err, r, "cannot read the attributes of task %d", p->first->tid.n) : 0;
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

void collect_give_back(struct saved_process *p)
{
	Process *m = p->m;

	if (p->as_fds && p->fds) {
		p->fds->fd = NULL;
		p->fds->n_fd = 0;
	}
	if (!p->as || !m)
		return;
	m->exe = m->cwd = m->root = (char *)protobuf_c_empty_string;
	m->n_action = m->n_limit = m->n_itimer = 0;
	m->action = NULL;
	m->limit = NULL;
	m->itimer = NULL;
	if (m->n_thread)
		thread_of(p)->cred = NULL;
	if (p->mm && p->mm->m)
		p->mm->m->auxv = (ProtobufCBinaryData){};
}
