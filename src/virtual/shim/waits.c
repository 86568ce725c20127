/* wait4(2) and waitid(2): whom to wait for, and who it was. */
#include "virtual/shim/trap.h"

/* Beyond any pid. The kernel is asked for it instead of a number that does not exist inside: it looks at the options first, and
 * clears siginfo even when there is nobody to wait for (kernel/exit.c). */
#define NOBODY 0x0fffffff

static int host_or_nobody(int guest)
{
	int host = ids_host(guest);

	return host ? host : NOBODY;
}

SPECIAL(waits_wait4)
{
	int who = (int)t->arg[0], host = who;
	long e;

	if (who > 0)
		host = host_or_nobody(who);
	else if (who < -1 && who != (int)0x80000000)
		host = -host_or_nobody(-who);
	t->arg[0] = host;
	e = trap_native(t);
	return e > 0 ? ids_guest((int)e) : e;
}

SPECIAL(waits_waitid)
{
	enum { ALL, PID, PGID, PIDFD };
	int which = (int)t->arg[0], id = (int)t->arg[1];
	siginfo_t *info = (void *)t->arg[2];
	long e;

	if ((which == PID || which == PGID) && id > 0)
		id = host_or_nobody(id);
	t->arg[1] = id;
	e = trap_native(t);
	if (e == 0 && info && info->si_signo)
		info->si_pid = ids_guest(info->si_pid);
	return e;
}
