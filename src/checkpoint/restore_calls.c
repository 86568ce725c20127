/* Calls that were waiting when the tree was stopped.
 *
 * Most restart by themselves: the registers say -ERESTARTSYS and the like, and the kernel acts on that when
 * it lets the task go. Those with a relative time-out answer -ERESTART_RESTARTBLOCK and keep the deadline in
 * the kernel, where nobody can put it: they are entered anew with what is left of the time, as are those
 * that a stop turns into EINTR. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <string.h>

#define ERESTART_RESTARTBLOCK 516

static bool is_pending(size_t n, const ProtobufCBinaryData *d, uint32_t sig)
{
	uint32_t s;

	for (size_t i = 0; i < n; i++)
		if (d[i].len >= sizeof s && (memcpy(&s, d[i].data, sizeof s), s == sig))
			return true;
	return false;
}

/* Will a handler run as soon as the thread does? Then the kernel ends the call with EINTR, as it should. */
static bool handler_due(const Process *p, const Thread *th)
{
	for (size_t i = 0; i < p->n_action; i++) {
		const SignalAction *a = p->action[i];
		if (a->handler <= 1 || a->signal < 1 || a->signal > 64 || th->sigmask >> (a->signal - 1) & 1)
			continue;
		if (is_pending(p->n_pending, p->pending, a->signal) ||
		    is_pending(th->n_pending, th->pending, a->signal))
			return true;
	}
	return false;
}

void restore_call(struct tracee *t, const Process *p, const Thread *th, struct user_regs_struct *r)
{
	struct user_regs_struct regs = *r;

	t->elapsed_ns = th->call_elapsed_ns;
	if (tracee_cut_short(t, &regs) && !handler_due(p, th)) {
		tracee_step_back(t, &regs);
		*r = regs;
	} else if ((long)r->rax == -ERESTART_RESTARTBLOCK && (long)r->orig_rax >= 0) {
		/* No deadline to go on with in this kernel. */
		r->rax = (unsigned long)-EINTR;
		r->orig_rax = (unsigned long)-1;
	}
}
