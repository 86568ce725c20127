/* wait4(2) and waitid(2): whom to wait for, and who it was. */
#include "virtual/shim/trap.h"

SPECIAL(waits_wait4)
{
	int who = (int)t->arg[0], host = who;
	long e;

	if (who == (int)0x80000000)
		return -ESRCH;
	if (who > 0 && !(host = ids_host(who)))
		return -ECHILD;
	if (who < -1 && !(host = -ids_host(-who)))
		return -ECHILD;
	e = CALL4(__NR_wait4, host, t->arg[1], t->arg[2], t->arg[3]);
	return e > 0 ? ids_guest((int)e) : e;
}

SPECIAL(waits_waitid)
{
	enum { ALL, PID, PGID, PIDFD };
	int id = (int)t->arg[1];
	siginfo_t *info = (void *)t->arg[2];
	long e;

	if ((t->arg[0] == PID || t->arg[0] == PGID) && id > 0 && !(id = ids_host(id)))
		return -ECHILD;
	e = CALL5(__NR_waitid, t->arg[0], id, info, t->arg[3], t->arg[4]);
	if (e == 0 && info && info->si_signo)
		info->si_pid = ids_guest(info->si_pid);
	return e;
}
