/* Calls that name a file. Nearly all of them are made as they are; what may lead into /proc is the warden's to say.
 *
 * Before the call the path is looked at: a component "proc", or a relative one in a process that holds
 * a directory of /proc. After it, what came of it is: symbolic links may have led there unseen. */
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

/* 1: there is a component "proc"; 0: there is none; -1: the path cannot be read to its end. */
static int names_proc(const char *p)
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

/* A frame of its own: few calls come here, and the text takes a page of the guest's stack. */
static __attribute__((noinline)) long ask(struct trap *t, const struct named *n)
{
	char text[SHIM_TEXT_MAX];
	struct shim_request q = {
		.ask = ASK_PATH, .nr = (int32_t)t->nr, .path_arg = (uint32_t)n->path,
		.dirfd_arg = n->dirfd < 0 ? 6 : (uint32_t)n->dirfd, .text = (uint64_t)text,
	};

	for (int i = 0; i < 6; i++)
		q.arg[i] = (uint64_t)t->arg[i];
	shim_bell(&q);
	if (q.answer == ANSWER_DONE)
		return q.ret;
	if (q.answer == ANSWER_RENAMED) {
		t->arg[n->path] = (long)text;
		if (n->dirfd >= 0)
			t->arg[n->dirfd] = AT_FDCWD;
	}
	return trap_native(t);
}

long paths_call(struct trap *t, const struct catalogue_row *r)
{
	const struct named n = named(r);
	const char *path = (const char *)t->arg[n.path];
	int proc = names_proc(path);
	long result;

	if (proc == 0 && path[0] != '/' && (ids_flags(ids_self()) & TASK_IN_PROC))
		proc = 1;
	if (proc == 1)
		return ask(t, &n);
	result = trap_native(t);
	if (!reached(t, &n, result))
		return result;
	if (n.result == RESULT_FD)
		CALL1(__NR_close, result);
	return ask(t, &n);
}
