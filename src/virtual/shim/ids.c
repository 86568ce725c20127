/* Numbers: which of the host's is which of the container's. */
#include "virtual/shim/map.h"
#include "virtual/shim/trap.h"

int ids_self(void)
{
	return (int)CALL0(__NR_getpid);
}

bool ids_is_init(void)
{
	return ids_self() == common()->init_host;
}

int ids_host_checked(int guest)
{
	int host = ids_host(guest);
	struct shim_request q = {.ask = ASK_ALIVE, .arg = {(uint64_t)host}};
	long r;

	if (!host)
		return 0;
	r = CALL2(__NR_kill, host, 0);
	if (r == 0 && common()->scoped)
		return host;
	if (r == -ESRCH)
		return 0;
	shim_bell(&q);
	return q.ret == 1 ? host : 0;
}

SPECIAL(ids_setsid)
{
	long e = trap_native(t);

	if (e > 0)
		ids_set_flags((int)e, TASK_LEADS_SESSION, 0);
	return e > 0 ? ids_guest((int)e) : e;
}

/* Which siginfos carry a sender: all that processes send, and those of children. */
static bool has_pid(const siginfo_t *i)
{
	return i->si_code == SI_USER || i->si_code == SI_TKILL || i->si_code == SI_QUEUE || i->si_code == SI_MESGQ ||
	       (i->si_signo == SIGCHLD && i->si_code > 0);
}

void shim_translate_info(siginfo_t *i)
{
	if (has_pid(i) && i->si_pid > 0)
		i->si_pid = ids_guest(i->si_pid);
}

void ids_info_out(siginfo_t *i)
{
	if (has_pid(i) && i->si_pid > 0)
		i->si_pid = ids_host(i->si_pid);
}
