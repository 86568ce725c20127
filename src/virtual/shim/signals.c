/* Sending signals, and waiting for them. */
#include "virtual/shim/map.h"
#include "virtual/shim/trap.h"

/* What even vpid 1 cannot ignore reaches it only from outside (pid_namespaces(7)). */
static bool spared(int host, int sig)
{
	return (sig == SIGKILL || sig == SIGSTOP) && host == common()->init_host;
}

/* Where Landlock keeps signals inside, a number that is a stranger's by now is found out by the kernel. */
static int target(int guest)
{
	return common()->scoped ? ids_host(guest) : ids_host_checked(guest);
}

static bool unforgiving(int sig)
{
	return sig == SIGKILL || sig == SIGSTOP;
}

/* -EPERM from the kernel may mean that the number is a stranger's by now: then it does not exist. */
static long denied(int guest, long r)
{
	return r == -EPERM && !ids_host_checked(guest) ? -ESRCH : r;
}

/* Process by process: of group (0: of all), but not the caller where all are meant, and never init. */
static long one_by_one(int group, int sig)
{
	int self = ids_self(), found = 0;
	long r = -ESRCH;

	for (int v = 1; (v = pid_map_next(map(), vpid_of(v)).n) > 0;) {
		int h = target(v);
		long k;
		if (!h || (ids_flags(h) & TASK_THREAD) || (!group && h == self) ||
		    (group && CALL1(__NR_getpgid, h) != group))
			continue;
		k = denied(v, CALL2(__NR_kill, h, sig));
		found += k == 0;
		r = k != -ESRCH ? k : r;
	}
	return found ? 0 : r;
}

static long to_group(int group, int sig)
{
	/* Where init would be among them, and would not be spared. */
	if (unforgiving(sig) && CALL1(__NR_getpgid, common()->init_host) == (group ? group : CALL1(__NR_getpgid, 0))) {
		one_by_one(group ? group : (int)CALL1(__NR_getpgid, 0), sig);
		return 0;
	}
	return CALL2(__NR_kill, -(long)group, sig);
}

SPECIAL(signals_kill)
{
	int who = (int)t->arg[0], sig = (int)t->arg[1], host;
	long e;

	if (who == 0)
		return to_group(0, sig);
	if (who == -1)
		return one_by_one(0, sig);
	if (who == (int)0x80000000)
		return -ESRCH;
	host = who < 0 ? ids_host(-who) : target(who);
	if (!host)
		return -ESRCH;
	if (who > 0 && spared(host, sig))
		return 0;
	e = who < 0 ? to_group(host, sig) : CALL2(__NR_kill, host, sig);
	return denied(who < 0 ? -who : who, e);
}

SPECIAL(signals_tgkill)
{
	bool both = t->nr == __NR_tgkill;
	int tgid = (int)t->arg[0], tid = (int)t->arg[both], sig = (int)t->arg[1 + both];
	int host_tgid = 0, host;
	long e;

	if (tid <= 0 || (both && tgid <= 0))
		return -EINVAL;
	host = target(tid);
	if (both)
		host_tgid = ids_host(tgid);
	if (!host || (both && !host_tgid))
		return -ESRCH;
	if (spared(both ? host_tgid : host, sig))
		return 0;
	e = both ? CALL3(__NR_tgkill, host_tgid, host, sig) : CALL2(__NR_tkill, host, sig);
	return denied(tid, e);
}

SPECIAL(signals_queue)
{
	bool both = t->nr == __NR_rt_tgsigqueueinfo;
	int tgid = (int)t->arg[0], tid = (int)t->arg[both], sig = (int)t->arg[1 + both];
	const siginfo_t *from = (const void *)t->arg[2 + both];
	siginfo_t info;
	int host_tgid, host;
	long e;

	if (!guest_readable(from, sizeof info))
		return -EFAULT;
	__builtin_memcpy(&info, from, sizeof info);
	if (both && (tgid <= 0 || tid <= 0))
		return -EINVAL;
	host_tgid = tgid > 0 ? ids_host(tgid) : 0;
	host = tid > 0 ? target(tid) : 0;
	if (!host || !host_tgid) {
		/* What may not be sent to others may not be sent to nobody either. */
		return info.si_code >= 0 || info.si_code == -6 ? -EPERM : -ESRCH;
	}
	if (spared(host_tgid, sig))
		return 0;
	ids_info_out(&info);
	e = both ? CALL4(__NR_rt_tgsigqueueinfo, host_tgid, host, sig, &info)
		 : CALL3(__NR_rt_sigqueueinfo, host, sig, &info);
	return denied(tid, e);
}

SPECIAL(signals_pidfd_send)
{
	const siginfo_t *from = (const void *)t->arg[2];
	siginfo_t info;
	int host;

	if (from) {
		if (!guest_readable(from, sizeof info))
			return CALL4(t->nr, t->arg[0], t->arg[1], NOWHERE, t->arg[3]);
		__builtin_memcpy(&info, from, sizeof info);
		ids_info_out(&info);
		from = &info;
	}
	host = pidfds_target((int)t->arg[0]);
	if (host < 0 || (host > 0 && !ids_guest(host)))
		return -EINVAL; /* whom a namespace would not know */
	if (host > 0 && spared(host, (int)t->arg[1]))
		return 0;
	return CALL4(t->nr, t->arg[0], t->arg[1], from, t->arg[3]);
}

SPECIAL(signals_timedwait)
{
	siginfo_t *info = (void *)t->arg[1];
	long e = trap_native(t);

	if (e > 0 && info)
		shim_translate_info(info);
	return e;
}
