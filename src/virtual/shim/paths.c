/* Calls that name a file. Nearly all of them are made as they are; what may lead into /proc is the warden's to say.
 *
 * Before the call the path is looked at: a component "proc", or a relative one in a process that holds
 * a directory of /proc. Symbolic links may lead there unseen (strays.c): what the call gives, a descriptor or a stat, tells it
 * afterwards; other calls, and those that failed, need a look of their own. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

struct named {
	int dirfd, path; /* which arguments; -1: none */
	/* RESULT_NONE: it only asks, so it may be asked again; RESULT_OTHER: it changes or writes something. */
	enum { RESULT_OTHER, RESULT_NONE, RESULT_FD, RESULT_STAT, RESULT_STATX, RESULT_CWD } result;
	int buffer;      /* which argument the result goes to */
};

static struct named named(const struct catalogue_row *r)
{
	struct named n = {
		.dirfd = r->dirfd[0] == CATALOGUE_NO_ARG ? -1 : r->dirfd[0],
		.path = r->path[0],
		.result = r->out == ROLE_FD ? RESULT_FD : r->out == ROLE_CWD ? RESULT_CWD : RESULT_OTHER,
	};

	if (r->nr == __NR_access || r->nr == __NR_faccessat || r->nr == __NR_faccessat2)
		n.result = RESULT_NONE;
	for (int i = 0; i < 6; i++)
		if (r->in[i] == ROLE_STAT || r->in[i] == ROLE_STATX) {
			n.result = r->in[i] == ROLE_STAT ? RESULT_STAT : RESULT_STATX;
			n.buffer = i;
		}
	return n;
}

int paths_names_proc(const char *p)
{
	unsigned long checked = 0;

	for (const char *at = p, *start = p; at - p < 4096; at++) {
		unsigned long page = ((unsigned long)at & ~4095ul) | 1;
		if (page != checked) {
			if (!guest_readable(at, 1))
				return -1;
			checked = page;
		}
		if (*at && *at != '/')
			continue;
		if (at - start == 4 && start[0] == 'p' && start[1] == 'r' && start[2] == 'o' && start[3] == 'c')
			return 1;
		if (!*at)
			return 0;
		start = at + 1;
	}
	return -1;
}

/* Has the call reached the real /proc by a way that its path did not show? */
static bool reached(const struct trap *t, const struct named *n, long r)
{
	struct stat st;
	const struct statx *x = (const void *)t->arg[n->buffer];

	switch (n->result) {
	case RESULT_FD:
		return CALL2(__NR_fstat, r, &st) == 0 && shows_proc(st.st_dev);
	case RESULT_STAT:
		return shows_proc(((const struct stat *)t->arg[n->buffer])->st_dev);
	case RESULT_STATX:
		return x->stx_dev_major == 0 && shows_proc(x->stx_dev_minor);
	case RESULT_CWD:
		return CALL4(__NR_newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH) == 0 && shows_proc(st.st_dev);
	default:
		return false;
	}
}

bool paths_own_proc(const char *p)
{
	static const char self[] = "/proc/self/", thread[] = "/proc/thread-self/";
	const char *begin = self;
	unsigned long n = sizeof self - 1;

	if (p[0] && p[6] == 't') {
		begin = thread;
		n = sizeof thread - 1;
	}
	for (unsigned long i = 0; i < n; i++)
		if (p[i] != begin[i])
			return false;
	for (const char *at = p + n; *at; at++)
		if (at[0] == '.' && at[1] == '.')
			return false;
	return true;
}

/* What openat2(2) shall not pass over the warden has seen to, and it may not be there on the new way: openat(2). */
static bool as_openat(struct trap *t)
{
	const struct open_how *how = (const void *)t->arg[2];

	if (!guest_readable(how, sizeof *how))
		return false;
	t->nr = __NR_openat;
	t->arg[3] = (long)how->mode;
	t->arg[2] = (long)how->flags;
	return true;
}

/* Asks about one path of the call; the text of another one goes to `text`. */
static enum shim_answer ask(struct trap *t, int path, int dirfd, char *text, unsigned long room, long *ret)
{
	struct shim_request q = {.ask = ASK_PATH, .nr = (int32_t)t->nr, .tgid = ids_self(), .path_arg = (uint32_t)path,
				 .dirfd_arg = (uint32_t)dirfd, .ret = -EACCES, .text = (uint64_t)text, .room = room};

	for (int i = 0; i < 6; i++)
		q.arg[i] = (uint64_t)t->arg[i];
	shim_bell(&q);
	if (q.answer == ANSWER_RENAMED) {
		t->arg[path] = (long)text;
		if (dirfd < CATALOGUE_NO_ARG)
			t->arg[dirfd] = AT_FDCWD;
		if (t->nr == __NR_openat2 && !as_openat(t)) {
			q.answer = ANSWER_DONE;
			q.ret = -EFAULT;
		}
	}
	own()->in_proc = !!(ids_flags(ids_self()) & TASK_IN_PROC);
	*ret = q.ret;
	return q.answer;
}

/* May it lead into /proc? */
bool paths_suspect(const struct trap *t, int path)
{
	const char *p = (const char *)t->arg[path];
	int proc = path == CATALOGUE_NO_ARG ? 0 : paths_names_proc(p);

	return proc == 1 || (proc == 0 && path != CATALOGUE_NO_ARG && p[0] != '/' && own()->in_proc);
}

static long native(struct trap *t)
{
	return trap_native(t);
}

/* Asks about path i and makes the call. The text has to stay until that is done: it lies on the guest's stack, which may be
 * small, so it takes no more there than it needs. A frame of its own, for few calls come here. */
static __attribute__((noinline)) long ask_from(struct trap *t, const struct catalogue_row *r, int i, unsigned long room,
					       long (*make)(struct trap *t))
{
	char *text = __builtin_alloca(room);
	long ret;

	switch (ask(t, r->path[i], r->dirfd[i], text, room, &ret)) {
	case ANSWER_DONE:
		return ret;
	case ANSWER_LONGER:
		return ask_from(t, r, i, (unsigned long)ret, make);
	default:
		break;
	}
	if (i == 0 && r->path[1] != CATALOGUE_NO_ARG)
		return ask_from(t, r, 1, SHIM_TEXT_SHORT, make);
	return make(t);
}

long paths_ask(struct trap *t, const struct catalogue_row *r, long (*make)(struct trap *t))
{
	return ask_from(t, r, 0, SHIM_TEXT_SHORT, make);
}

SPECIAL(paths_call)
{
	const struct named n = named(r);
	long result;

	if (paths_suspect(t, n.path))
		return paths_ask(t, r, native);
	if (paths_suspect(t, r->path[1]))
		return ask_from(t, r, 1, SHIM_TEXT_SHORT, native);
	if (n.result == RESULT_OTHER && (strays(t, r, 0) || strays(t, r, 1)))
		return paths_ask(t, r, native);
	result = trap_native(t);
	if (n.result == RESULT_OTHER)
		return result;
	if (result < 0 ? !strays_failed(t, r, result) : n.result == RESULT_NONE ? !strays(t, r, 0) : !reached(t, &n, result))
		return result;
	if (result >= 0 && n.result == RESULT_FD)
		CALL1(__NR_close, result);
	return paths_ask(t, r, native);
}

/* A working directory in /proc is one of the warden's stand-ins: it has another name there, written to where the guest wants
 * it. */
static long ask_where(const struct trap *t, long n)
{
	struct shim_request q = {.ask = ASK_PLACE, .tgid = ids_self(), .ret = -ENOENT, .text = (uint64_t)t->arg[0],
				 .room = (uint64_t)t->arg[1]};

	shim_bell(&q);
	return q.ret > 0 || q.ret == -ERANGE || q.ret == -EFAULT ? q.ret : n;
}

SPECIAL(paths_getcwd)
{
	long n = trap_native(t);

	return (n > 0 || n == -ERANGE) && own()->in_proc ? ask_where(t, n) : n;
}
