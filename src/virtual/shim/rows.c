/* Calls that need nothing but their numbers converted: which, says the catalogue by roles. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/errno.h>

/* Beyond the largest pid there can be (PID_MAX_LIMIT is 1 << 22), in a clock id too. A number that does not exist inside is
 * passed on as this, so that the kernel itself answers, with the errno that is right for the call and in the
 * order in which it looks at its arguments. */
#define NOBODY 0x0fffffff

/* A group can outlive its leader, and then kill(2) finds it where it does not find the process. */
static int host_group(int guest)
{
	int host = ids_host(guest);

	return host && CALL2(__NR_kill, -(long)host, 0) != -ESRCH ? host : ids_host_checked(guest);
}

static int host_or_nobody(int guest, bool group)
{
	int host = group ? host_group(guest) : ids_host_checked(guest);

	return host ? host : NOBODY;
}

static int host_clock(int id)
{
	int pid = ~(id >> 3);

	/* The kernel's: include/linux/posix-timers_types.h, make_process_cpuclock(). */
	if (id >= 0 || (id & 7) == 3 || pid <= 0)
		return id;
	return (int)(~(unsigned)host_or_nobody(pid, false) << 3) | (id & 7);
}

static int to_host(enum role role, int n)
{
	switch (role) {
	case ROLE_CLOCKID:
		return host_clock(n);
	case ROLE_OWNER:
	case ROLE_LOAD_OWNER:
		if (n < 0 && n != (int)0x80000000)
			return -host_or_nobody(-n, true);
		return n > 0 ? host_or_nobody(n, false) : n;
	case ROLE_PGID:
	case ROLE_SID:
	case ROLE_LOAD_PGID:
		return n > 0 ? host_or_nobody(n, true) : n;
	default:
		return n > 0 ? host_or_nobody(n, false) : n;
	}
}

static int to_guest(int n)
{
	return n < 0 && n != (int)0x80000000 ? -ids_guest(-n) : n > 0 ? ids_guest(n) : n;
}

static bool is_load(enum role role)
{
	return role == ROLE_LOAD_PGID || role == ROLE_LOAD_OWNER;
}

static bool is_store(enum role role)
{
	return role == ROLE_STORE_PGID || role == ROLE_STORE_SID || role == ROLE_STORE_OWNER;
}

/* The kernel reads and writes numbers in memory here, not in the guest's, where another thread could see or change
 * them. Where the guest's cannot be used, it is given to the kernel, which says so. */
static bool redirect(struct trap *t, int i, enum role role, int *ours)
{
	if (!guest_readable((const void *)t->arg[i], sizeof *ours))
		return false;
	if (is_load(role))
		*ours = to_host(role, *(volatile const int *)t->arg[i]);
	t->arg[i] = (long)ours;
	return true;
}

long rows_translate(struct trap *t, const struct catalogue_row *r)
{
	int ours = 0, *theirs = 0;
	long result;

	for (int i = 0; i < 6; i++) {
		enum role role = r->in[i];
		void *at = (void *)t->arg[i];
		if (role >= ROLE_TID && role <= ROLE_CLOCKID)
			t->arg[i] = to_host(role, (int)t->arg[i]);
		else if ((is_load(role) || is_store(role)) && redirect(t, i, role, &ours) && is_store(role))
			theirs = at;
	}
	result = trap_native(t);
	if (theirs && result >= 0) {
		ours = to_guest(ours);
		result = guest_write(theirs, &ours, sizeof ours) ? result : -EFAULT;
	}
	/* A process begins by asking for its own number, and may end before it ever needs the map. */
	if (result > 0 && result == own()->host && (r->nr == __NR_getpid || r->nr == __NR_gettid || r->nr == __NR_set_tid_address))
		return own()->vpid;
	return r->out >= ROLE_TID && r->out <= ROLE_ANY && result > 0 ? ids_guest((int)result) : result;
}
