/* Signals: dispositions, masks, alternative stacks, what is queued.
 * sigaction(2), sigaltstack(2), rt_sigqueueinfo(2), ptrace(2) PEEKSIGINFO. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "kernel/sys.h"
#include "kinds/task_kind.h"

#define SIGINFO_BYTES 128

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static void signals_ask(struct task_view *v, struct batch *b)
{
	v->q.altstack = batch_out(b, 24);
	BATCH_CALL(b, "sigaltstack", SYS_sigaltstack, 0, BATCH_DATA(v->q.altstack));
	if (!v->first)
		return;
	size_t at = batch_out(b, 65 * sizeof(struct kernel_sigaction));
	v->q.actions = at;
	/* All answers lie in one block: it belongs to the first call, and calls of one batch round
	 * share their data. All are asked: SIG_DFL too can have a mask and flags. */
	for (int s = 1; s < 65; s++)
		if (s != SIGKILL && s != SIGSTOP)
			BATCH_CALL(b, "rt_sigaction", SYS_rt_sigaction, s, 0,
				   BATCH_DATA(at + (size_t)s * sizeof(struct kernel_sigaction)), 8);
}

/* Reads one queue. flags 1: the process's, 0: the thread's own. */
static int peek_queue(struct hpid tid, unsigned flags, size_t *ret_n, ProtobufCBinaryData **ret)
{
	siginfo_t si[32];
	struct sys_peeksiginfo_args a = {.flags = flags, .nr = 32};
	VEC(ProtobufCBinaryData) q = {};

	for (;;) {
		long n = ptrace(SYS_PTRACE_PEEKSIGINFO, tid.n, &a, si);
		if (n < 0)
			return -errno;
		for (long i = 0; i < n; i++) {
			ProtobufCBinaryData *d = vec_push(&q);
			if (!d || !(d->data = malloc(SIGINFO_BYTES)))
				return -ENOMEM;
			memcpy(d->data, &si[i], d->len = SIGINFO_BYTES);
		}
		if (n < 32)
			break;
		a.off += (uint64_t)n;
	}
	*ret = q.at;
	*ret_n = q.n;
	return 0;
}

static int take_actions(struct task_view *v, const struct batch *b)
{
	const struct kernel_sigaction *sa = batch_bytes(b, v->q.actions);
	VEC(SignalAction *) out = {};

	for (int s = 1; s < 65; s++) {
		if (!sa[s].handler && !sa[s].flags && !sa[s].mask)
			continue;
		SignalAction **slot = vec_push(&out), *a = malloc(sizeof *a);
		if (!slot || !a)
			return -ENOMEM;
		signal_action__init(a);
		a->signal = (uint32_t)s;
		a->handler = sa[s].handler;
		a->flags = sa[s].flags;
		a->restorer = sa[s].restorer;
		a->mask = sa[s].mask;
		*slot = a;
	}
	v->process->action = out.at;
	v->process->n_action = out.n;
	return 0;
}

static int signals_take(struct task_view *v, const struct batch *b, struct pidspace_error *err)
{
	const uint8_t *ss = batch_bytes(b, v->q.altstack);
	Thread *th = v->thread;
	int r = 0;

	memcpy(&th->altstack_sp, ss, 8);
	memcpy(&th->altstack_flags, ss + 8, 4);
	memcpy(&th->altstack_size, ss + 16, 8);
	th->sigmask = v->k->t.sigmask;
	if (v->status->pending)
		r = peek_queue(v->k->t.tid, 0, &th->n_pending, &th->pending);
	if (r == 0 && v->first && v->status->shared_pending)
		r = peek_queue(v->k->t.tid, 1, &v->process->n_pending, &v->process->pending);
	if (r == 0 && v->first)
		r = take_actions(v, b);
	return r < 0 ? error_sys(err, r, "cannot read the signals of task %d", v->k->tid.n) : 0;
}

const struct task_kind task_signals = {"signals", signals_ask, signals_take};

void task_signals_early(const Process *p, struct batch *b)
{
	for (size_t i = 0; i < p->n_action; i++) {
		const SignalAction *a = p->action[i];
		struct kernel_sigaction sa = {a->handler, a->flags, a->restorer, a->mask};
		size_t at = batch_in(b, &sa, sizeof sa);
		BATCH_CALL(b, "rt_sigaction", SYS_rt_sigaction, a->signal, BATCH_DATA(at), 0, 8);
	}
}

void task_signals_late(const Process *p, const Thread *th, bool first, struct batch *b)
{
	struct {
		uint64_t sp;
		uint32_t flags, pad;
		uint64_t size;
	} ss = {th->altstack_sp, th->altstack_flags & ~(uint32_t)SS_ONSTACK, 0, th->altstack_size};

	if (!(ss.flags & SS_DISABLE)) {
		size_t at = batch_in(b, &ss, sizeof ss);
		BATCH_CALL(b, "sigaltstack", SYS_sigaltstack, BATCH_DATA(at), 0);
	}
	for (size_t i = 0; i < th->n_pending; i++) {
		const siginfo_t *si = (const siginfo_t *)th->pending[i].data;
		size_t at = batch_in(b, si, SIGINFO_BYTES);
		BATCH_CALL(b, "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, p->pid, th->tid, si->si_signo,
			   BATCH_DATA(at));
	}
	for (size_t i = 0; first && i < p->n_pending; i++) {
		const siginfo_t *si = (const siginfo_t *)p->pending[i].data;
		size_t at = batch_in(b, si, SIGINFO_BYTES);
		BATCH_CALL(b, "rt_sigqueueinfo", SYS_rt_sigqueueinfo, p->pid, si->si_signo, BATCH_DATA(at));
	}
}
