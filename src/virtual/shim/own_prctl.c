/* prctl(2) where the answer would tell of the filter, of the warden's needs, or of what vpid 1 is without knowing. */
#include "virtual/shim/trap.h"

#include <linux/prctl.h>

static long subreaper(const struct trap *t)
{
	int answer;

	if (!ids_is_init())
		return trap_native(t);
	/* It is one in earnest, for all its descendants; a PID namespace's init is none until it says so, and gets the
	 * orphans all the same. */
	if (t->arg[0] == PR_SET_CHILD_SUBREAPER) {
		common()->init_subreaper = t->arg[1] != 0;
		return 0;
	}
	answer = (int)common()->init_subreaper;
	return guest_write((void *)t->arg[1], &answer, sizeof answer) ? 0 : -EFAULT;
}

static long no_new_privs(const struct trap *t)
{
	int self = (int)CALL0(__NR_gettid);

	if (t->arg[2] || t->arg[3] || t->arg[4])
		return -EINVAL;
	if (t->arg[0] == PR_GET_NO_NEW_PRIVS)
		return t->arg[1] ? -EINVAL : !!(ids_flags(self) & TASK_NO_NEW_PRIVS);
	if (t->arg[1] != 1)
		return -EINVAL;
	ids_set_flags(self, TASK_NO_NEW_PRIVS, 0);
	return 0;
}

/* An undumpable process is closed to the warden: it stays open, and is told that it is not. */
static long dumpable(const struct trap *t)
{
	int self = ids_self();

	if (t->arg[0] == PR_GET_DUMPABLE)
		return ids_flags(self) & TASK_UNDUMPABLE ? 0 : trap_native(t);
	if (t->arg[1] != 0 && t->arg[1] != 1)
		return -EINVAL;
	ids_set_flags(self, t->arg[1] ? 0 : TASK_UNDUMPABLE, t->arg[1] ? TASK_UNDUMPABLE : 0);
	return 0;
}

SPECIAL(prctl_own)
{
	switch (t->arg[0]) {
	case PR_SET_CHILD_SUBREAPER:
	case PR_GET_CHILD_SUBREAPER:
		return subreaper(t);
	case PR_SET_NO_NEW_PRIVS:
	case PR_GET_NO_NEW_PRIVS:
		return no_new_privs(t);
	case PR_SET_DUMPABLE:
	case PR_GET_DUMPABLE:
		return dumpable(t);
	case PR_GET_SECCOMP: /* ours is not the guest's */
		return ids_flags((int)CALL0(__NR_gettid)) & TASK_FILTERED ? 2 : 0;
	default:
		return trap_native(t);
	}
}
