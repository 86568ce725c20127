/* execve(2) and execveat(2). Nothing of the shim outlives an exec but the filter, so the warden stands by for as long
 * as it takes: it seizes the thread, and where the new image would begin, it has the shim mapped first. What the new image needs
 * is given to it before only where nobody can see that or give it to a child. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/fcntl.h>
#include <linux/sched.h>

#define X_OK 1
#define R_OK 4

/* Most of what fails, fails for reasons that can be seen ahead (a search along PATH): then nobody is bothered. */
static long look_ahead(const struct trap *t, bool one, bool *ret_unreadable)
{
	bool at = t->nr == __NR_execveat;
	long dirfd = at ? t->arg[0] : AT_FDCWD, path = t->arg[at];
	long flags = at ? t->arg[4] & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) : 0;
	long r = CALL4(__NR_faccessat2, dirfd, path, X_OK | R_OK, flags | AT_EACCESS);

	*ret_unreadable = r == -EACCES;
	if (r == -EACCES)
		r = CALL4(__NR_faccessat2, dirfd, path, X_OK, flags | AT_EACCESS);
	return r == -ENOSYS || r == -EPERM || r == 0 ? look_inside(dirfd, path, flags, one) : r;
}

/* Does nobody else see the caller's descriptors? No other thread: of a memory that has had several the kernel knows, for CLONE_THREAD
 * (unshare(2)) can only be asked for by who is alone, and changes nothing. And no process with the same table. */
static bool alone(void)
{
	return !own()->shares_files && (!own()->threaded || CALL1(__NR_unshare, CLONE_THREAD) == 0);
}

/* The call itself. It comes back only if it fails; fd: to be closed then. */
static long attempt(struct trap *t, int tgid, long fd)
{
	long e;

	exits_release();
	e = shim_call(t->nr, t->arg[0], t->arg[1], t->arg[2], t->arg[3], t->arg[4], 0);
	exits_take_back();
	if (fd != EXEC_NO_FD)
		CALL1(__NR_close, fd);
	shim_ring(ASK_EXEC_FAILED, tgid, 0, 0);
	return e;
}

static long look_and_attempt(struct trap *t, bool one, uint64_t mask)
{
	bool unreadable;
	long e = look_ahead(t, one, &unreadable), fd, how;
	int tgid = ids_self();

	if (e < 0)
		return e;
	how = (unreadable ? EXEC_UNREADABLE : 0) | (one ? EXEC_ALONE : 0) |
	      (own()->sigsys.sa_handler == SIG_IGN ? EXEC_IGNORES_SIGSYS : 0);
	/* One thread of a process at a time: if the other succeeds, this one is gone. */
	while ((fd = shim_ring(ASK_EXEC, tgid, how, (long)mask)) == -EAGAIN)
		CALL0(__NR_sched_yield);
	return fd < 0 ? fd : attempt(t, tgid, fd);
}

/* Who is alone gives the memfd to the new image himself, and opens the program to look at it. So that no handler of a signal sees
 * that, or forks a child that does, all are blocked until the new image begins. */
static long execute(struct trap *t)
{
	uint64_t all = ~SIG_BIT(SIGSYS), mask = 0;
	bool one = alone();
	long e;

	if (one)
		CALL4(__NR_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8);
	e = look_and_attempt(t, one, mask);
	if (one)
		CALL4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
	return e;
}

SPECIAL(exec_begin)
{
	/* "self" is the same on both sides. */
	if ((paths_suspect(t, r->path[0]) && !paths_own_proc((const char *)t->arg[r->path[0]])) || strays(t, r, 0))
		return paths_ask(t, r, execute);
	return execute(t);
}
