/* Calls that name a file. Nearly all of them are made as they are; what may lead into /proc is the warden's to say.
 *
 * Before the call the path is looked at: a component "proc", or a relative one in a process that holds
 * a directory of /proc. After it, what came of it is: symbolic links may have led there unseen. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

struct named {
	int dirfd, path; /* which arguments; -1: none */
	enum { RESULT_OTHER, RESULT_FD, RESULT_STAT, RESULT_STATX, RESULT_CWD } result;
	int buffer;      /* which argument the result goes to */
};

static struct named named(const struct catalogue_row *r)
{
	struct named n = {
		.dirfd = r->dirfd[0] == CATALOGUE_NO_ARG ? -1 : r->dirfd[0],
		.path = r->path[0],
		.result = r->out == ROLE_FD ? RESULT_FD : r->out == ROLE_CWD ? RESULT_CWD : RESULT_OTHER,
	};

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

static bool on_proc(uint64_t dev)
{
	return dev == common()->proc_dev;
}

/* Has the call reached the real /proc by a way that its path did not show? */
static bool reached(const struct trap *t, const struct named *n, long r)
{
	struct stat st;
	const struct statx *x = (const void *)t->arg[n->buffer];

	if (r < 0)
		return false;
	switch (n->result) {
	case RESULT_FD:
		return CALL2(__NR_fstat, r, &st) == 0 && on_proc(st.st_dev);
	case RESULT_STAT:
		return on_proc(((const struct stat *)t->arg[n->buffer])->st_dev);
	case RESULT_STATX:
		return x->stx_dev_major == 0 && on_proc(x->stx_dev_minor);
	case RESULT_CWD:
		return CALL4(__NR_newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH) == 0 && on_proc(st.st_dev);
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

static void fill(struct shim_request *q, const struct trap *t, enum shim_ask ask, const char *text)
{
	*q = (struct shim_request){.ask = ask, .nr = (int32_t)t->nr, .tgid = ids_self(), .ret = -EACCES,
				    .text = (uint64_t)text};
	for (int i = 0; i < 6; i++)
		q->arg[i] = (uint64_t)t->arg[i];
}

/* Asks about one path of the call. True: the answer is final and in *ret. */
static bool ask(struct trap *t, int path, int dirfd, char text[SHIM_TEXT_MAX], long *ret)
{
	struct shim_request q;

	fill(&q, t, ASK_PATH, text);
	q.path_arg = (uint32_t)path;
	q.dirfd_arg = (uint32_t)dirfd;
	shim_bell(&q);
	if (q.answer == ANSWER_RENAMED) {
		t->arg[path] = (long)text;
		if (dirfd < CATALOGUE_NO_ARG)
			t->arg[dirfd] = AT_FDCWD;
	}
	own()->in_proc = !!(ids_flags(ids_self()) & TASK_IN_PROC);
	*ret = q.ret;
	return q.answer == ANSWER_DONE;
}

/* May it lead into /proc? */
static bool suspect(const struct trap *t, int path)
{
	const char *p = (const char *)t->arg[path];
	int proc = path == CATALOGUE_NO_ARG ? 0 : paths_names_proc(p);

	return proc == 1 || (proc == 0 && path != CATALOGUE_NO_ARG && p[0] != '/' && own()->in_proc);
}

static __attribute__((noinline)) long ask_both(struct trap *t, const struct catalogue_row *r)
{
	char text[SHIM_TEXT_MAX];
	long ret;

	return ask(t, r->path[1], r->dirfd[1], text, &ret) ? ret : trap_native(t);
}

/* Frames of their own: few calls come here, and a text takes a page of the guest's stack. */
static __attribute__((noinline)) long ask_first(struct trap *t, const struct catalogue_row *r)
{
	char text[SHIM_TEXT_MAX];
	long ret;

	if (ask(t, r->path[0], r->dirfd[0], text, &ret))
		return ret;
	return suspect(t, r->path[1]) ? ask_both(t, r) : trap_native(t);
}

SPECIAL(paths_call)
{
	const struct named n = named(r);
	long result;

	if (suspect(t, n.path))
		return ask_first(t, r);
	if (suspect(t, r->path[1]))
		return ask_both(t, r);
	result = trap_native(t);
	if (!reached(t, &n, result))
		return result;
	if (n.result == RESULT_FD)
		CALL1(__NR_close, result);
	return ask_first(t, r);
}

long paths_rename(struct trap *t, const struct catalogue_row *r, char text[SHIM_TEXT_MAX])
{
	long ret = 0;

	return suspect(t, r->path[0]) && ask(t, r->path[0], r->dirfd[0], text, &ret) ? ret : 0;
}

/* A working directory in /proc is one of the warden's stand-ins: it has another name there. */
static __attribute__((noinline)) long ask_where(const struct trap *t, long n)
{
	char text[SHIM_TEXT_MAX];
	struct shim_request q;
	unsigned long len;

	fill(&q, t, ASK_PLACE, text);
	shim_bell(&q);
	if (q.ret < 0)
		return n;
	len = __builtin_strlen(text) + 1;
	if (len > (unsigned long)t->arg[1])
		return -ERANGE;
	return guest_write((void *)t->arg[0], text, len) ? (long)len : -EFAULT;
}

SPECIAL(paths_getcwd)
{
	long n = trap_native(t);

	return n > 0 && own()->in_proc ? ask_where(t, n) : n;
}
