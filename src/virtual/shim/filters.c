/* Filters of the guest's own (seccomp(2), PR_SET_SECCOMP). They judge the calls that the shim makes as well, so one that looks
 * at arguments of a call in which we put other numbers would judge numbers it does not know: it is refused. */
#include "virtual/shim/trap.h"

#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#define ARGS_AT 16 /* offsetof(struct seccomp_data, args) */

struct program {
	unsigned short len;
	struct sock_filter *filter;
};

static bool carries_pid(uint32_t nr)
{
	for (unsigned i = 0; i < sizeof catalogue_rows / sizeof *catalogue_rows; i++) {
		const struct catalogue_row *r = &catalogue_rows[i];
		if (r->nr != nr || r->policy != POLICY_TRANSLATE)
			continue;
		for (int k = 0; k < 6; k++)
			if (r->in[k] >= ROLE_TID && r->in[k] <= ROLE_SID)
				return true;
	}
	return nr == __NR_kill || nr == __NR_tkill || nr == __NR_tgkill;
}

/* Which call a look at an argument belongs to cannot be told without running the program for every call; a filter that
 * both names a call with pids and looks at arguments is taken to do so for it. */
static long judge(const struct program *p)
{
	bool names = false, looks = false;

	if (!p->len || p->len > BPF_MAXINSNS || !guest_readable(p->filter, p->len * sizeof *p->filter))
		return p->len && p->len <= BPF_MAXINSNS ? -EFAULT : -EINVAL;
	for (unsigned i = 0; i < p->len; i++) {
		const struct sock_filter *f = &p->filter[i];
		if (BPF_CLASS(f->code) == BPF_LD && BPF_MODE(f->code) == BPF_ABS)
			looks |= f->k == ARGS_AT || f->k == ARGS_AT + 8; /* where pids are */
		if (BPF_CLASS(f->code) == BPF_JMP && BPF_OP(f->code) == BPF_JEQ)
			names |= carries_pid(f->k);
	}
	return looks && names ? -EINVAL : 0;
}

SPECIAL(filters_install)
{
	bool prctl = t->nr == __NR_prctl;
	struct program p;
	long e;

	/* Strict mode, and SIGSYS for the calls of a region, would take the shim's own calls as well. */
	if (prctl && t->arg[0] != PR_SET_SECCOMP)
		return t->arg[1] ? -EINVAL : trap_native(t);
	if (prctl ? t->arg[1] != SECCOMP_MODE_FILTER : t->arg[0] != SECCOMP_SET_MODE_FILTER)
		return -EINVAL;
	if (!guest_readable((void *)t->arg[2], sizeof p)) {
		t->arg[2] = NOWHERE;
		return trap_native(t);
	}
	if (!prctl && (t->arg[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return -EBUSY; /* a process can have one listener, and the warden is it */
	__builtin_memcpy(&p, (void *)t->arg[2], sizeof p);
	e = judge(&p);
	if (e == 0)
		e = trap_native(t);
	if (e == 0)
		ids_set_flags((int)CALL0(__NR_gettid), TASK_FILTERED, 0);
	return e;
}
