/* timer_create(2): the thread that is told, and clocks of processes. */
#include "virtual/shim/trap.h"

#define SIGEV_THREAD_ID_ 4

SPECIAL(timers_create)
{
	struct sigevent e;
	const struct sigevent *from = (const void *)t->arg[1];
	int id = (int)t->arg[0], pid = ~(id >> 3);

	if (!guest_readable(from, sizeof e))
		return -EFAULT;
	__builtin_memcpy(&e, from, sizeof e);
	if (e.sigev_notify & SIGEV_THREAD_ID_) {
		int host = ids_host(e._sigev_un._tid);
		if (!host)
			return -EINVAL;
		e._sigev_un._tid = host;
	}
	if (id < 0 && (id & 7) != 3 && pid > 0) {
		int host = ids_host_checked(pid);
		id = host ? (int)(~(unsigned)host << 3) | (id & 7) : (int)(~0x0fffffffu << 3) | (id & 7);
	}
	return CALL3(t->nr, id, &e, t->arg[2]);
}
