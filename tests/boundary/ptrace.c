/* ptrace inside works or is refused; it never hangs. */
#include "case.h"

#include <sys/ptrace.h>

static void a_child_or_eperm(void)
{
	pid_t child = bd_sleeper();
	long r = raw(SYS_ptrace, PTRACE_SEIZE, child, 0, 0);

	if (r == -EPERM) {
		BD_ERR(raw(SYS_ptrace, PTRACE_ATTACH, child, 0, 0), EPERM);
		BD_ERR(raw(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0), EPERM);
	} else {
		BD_DO(r);
		BD_DO(raw(SYS_ptrace, PTRACE_INTERRUPT, child, 0, 0));
		BD_EQ(raw(SYS_wait4, child, NULL, __WALL, NULL), child);
		BD_DO(raw(SYS_ptrace, PTRACE_DETACH, child, 0, 0));
	}
	bd_end(child);
}

static void nobody_outside(void)
{
	pid_t all[BD_OUTSIDE_MAX];
	int n = bd_outside(all);

	for (int i = 0; i < n; i++) {
		long r = raw(SYS_ptrace, PTRACE_SEIZE, all[i], 0, 0);

		BD_CHECK(r == -ESRCH || (r == -EPERM && bd_virtual()));
		r = raw(SYS_ptrace, PTRACE_ATTACH, all[i], 0, 0);
		BD_CHECK(r == -ESRCH || (r == -EPERM && bd_virtual()));
	}
}

const struct bd_case bd_cases[] = {
	{ "a child, or EPERM", a_child_or_eperm },
	{ "nobody outside", nobody_outside },
	{},
};
