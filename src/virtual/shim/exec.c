/* execve(2) and execveat(2). Nothing of the shim outlives an exec but the filter, so the warden stands by for as long
 * as it takes: it seizes the thread, and where the new image would begin, it has the shim mapped first. Nothing is changed
 * in the process before: no other thread of it can see, or give to a child, what only the new image is to have. */
#include "virtual/shim/trap.h"

#include <linux/fcntl.h>

#define X_OK 1
#define R_OK 4

/* Most of what fails, fails for reasons that can be seen ahead (a search along PATH): then nobody is bothered. */
static long look_ahead(const struct trap *t, bool *ret_unreadable)
{
	bool at = t->nr == __NR_execveat;
	long dirfd = at ? t->arg[0] : AT_FDCWD, path = t->arg[at];
	long flags = at ? t->arg[4] & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) : 0;
	long r = CALL4(__NR_faccessat2, dirfd, path, X_OK | R_OK, flags | AT_EACCESS);

	*ret_unreadable = r == -EACCES;
	if (r == -EACCES)
		r = CALL4(__NR_faccessat2, dirfd, path, X_OK, flags | AT_EACCESS);
	return r == -ENOSYS || r == -EPERM || r == 0 ? look_inside(dirfd, path, flags) : r;
}

static long execute(struct trap *t)
{
	struct shim_request q = {.ask = ASK_EXEC, .nr = (int32_t)t->nr, .tgid = ids_self(), .ret = -EPERM};
	bool unreadable;
	long e = look_ahead(t, &unreadable);

	if (e < 0)
		return e;
	q.arg[0] = unreadable;
	/* One thread of a process at a time: if the other succeeds, this one is gone. */
	while (shim_bell(&q), q.ret == -EAGAIN)
		CALL0(__NR_sched_yield);
	if (q.ret < 0)
		return q.ret;
	exits_release();
	e = shim_call(t->nr, t->arg[0], t->arg[1], t->arg[2], t->arg[3], t->arg[4], 0);
	exits_take_back();
	q.ask = ASK_EXEC_FAILED;
	shim_bell(&q);
	return e;
}

SPECIAL(exec_begin)
{
	/* "self" is the same on both sides. */
	if (paths_suspect(t, r->path[0]) && !paths_own_proc((const char *)t->arg[r->path[0]]))
		return paths_ask(t, r, execute);
	return execute(t);
}
