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
	long r;

	if (!host)
		return 0;
	r = CALL2(__NR_kill, host, 0);
	if (r == 0 && common()->scoped)
		return host;
	if (r == -ESRCH)
		return 0;
	if (shim_ring(ASK_ALIVE, 0, host, 0) == 1)
		return host;
	if (r == -EPERM && common()->scoped)
		__atomic_fetch_add(&common()->caught, 1, __ATOMIC_RELAXED);
	return 0;
}

SPECIAL(ids_setsid)
{
	long e = trap_native(t);

	if (e > 0)
		ids_set_flags((int)e, TASK_LEADS_SESSION, 0);
	return e > 0 ? ids_guest((int)e) : e;
}

#define FAULTS (SIG_BIT(SIGILL) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGTRAP) | \
		SIG_BIT(SIGPOLL) | SIG_BIT(SIGSYS))

/* Which siginfos carry a sender: all that processes send, and those of children, whatever their exit signal (positive codes of
 * other signals mean something else; kernel/signal.c siginfo_layout()). */
bool ids_info_has_pid(int signo, int code)
{
	if (code == SI_USER || code == SI_TKILL || code == SI_QUEUE || code == SI_MESGQ)
		return true;
	return code >= CLD_EXITED && code <= CLD_CONTINUED && signo < 32 && !(FAULTS & SIG_BIT(signo));
}

/* What a sender puts there itself arrives as it was (sigqueue(3)): it is marked as no number of the host's. */
#define VERBATIM 0x40000000

int ids_sender(int host)
{
	return host & VERBATIM ? host & ~VERBATIM : ids_guest(host);
}

void shim_translate_info(siginfo_t *i)
{
	if (ids_info_has_pid(i->si_signo, i->si_code) && i->si_pid > 0)
		i->si_pid = ids_sender(i->si_pid);
}

void ids_info_out(siginfo_t *i)
{
	if (ids_info_has_pid(i->si_signo, i->si_code) && i->si_pid > 0)
		i->si_pid |= VERBATIM;
}
