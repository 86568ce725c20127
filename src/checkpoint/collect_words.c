/* Command lines, directories and auxiliary vectors. The tasks have told most of it in their batches, and the rest lies in
 * their memory: every entry of /proc that is looked at costs as much again when the process is reaped. Where a
 * task could not tell, /proc does. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

char *collect_link(const struct save *s, pid_t pid, const char *name)
{
	const char *root = s->engine->root;
	size_t n = root ? strlen(root) : 0;
	char path[64], buf[4200];

	snprintf(path, sizeof path, "%d/%s", pid, name);
	ssize_t len = readlinkat(s->space->proc_fd, path, buf, sizeof buf - 1);
	if (len < 0)
		return NULL;
	buf[len] = 0;
	/* Links in /proc are relative to the reader's root. */
	if (n && strncmp(buf, root, n) == 0 && (buf[n] == '/' || !buf[n]))
		return strdup(buf[n] ? buf + n : "/");
	return strdup(buf);
}

/* What /proc/PID/cmdline shows, unless the program has written beyond it (fs/proc/base.c get_mm_cmdline()). Nearly
 * always a child has its parent's; and what is mapped nowhere else may be read without opening anything. */
static char *command_line(const struct saved_process *p)
{
	struct saved_mm *mm = p->mm, *above = mm ? mm->parent : NULL;
	char buf[4096];
	uint64_t start = mm ? mm->m->arg_start : 0, end = mm ? mm->m->arg_end : 0;

	if (start >= end)
		return NULL;
	if (above && above->m->arg_start == start && above->m->arg_end == end &&
	    collect_covers(&mm->inherited, start, end, false))
		return above->owner->m->cmdline ? strdup(above->owner->m->cmdline) : NULL;
	size_t n = end - start < sizeof buf ? end - start : sizeof buf - 1;
	if (!mm->has_family || collect_covers(&mm->pages, start, start + n, true)
		    ? tracee_read(&p->first->t, start, buf, n) < 0
		    : collect_read(mm, start, buf, n) < 0)
		return NULL;
	buf[n] = 0;
	for (size_t i = 0; i + 1 < n; i++)
		if (!buf[i])
			buf[i] = ' ';
	return strdup(buf);
}

static int take_directories(const struct save *s, struct saved_process *p, const struct told *init)
{
	struct told *t = &p->first->told;
	Process *m = p->m;

	if (t->cwd && t->root[1] && !memcmp(t->root, init->root, sizeof t->root)) {
		m->cwd = t->cwd;
		t->cwd = NULL;
	} else {
		m->cwd = collect_link(s, m->pid, "cwd");
		m->root = collect_link(s, m->pid, "root");
	}
	if (!m->cwd)
		m->cwd = strdup("/");
	if (!m->root || !*m->root)
		m->root = strdup("/");
	return m->cwd && m->root ? 0 : -ENOMEM;
}

/* Of whoever owns the address space. */
static void take_memory_words(const struct save *s, struct saved_process *p)
{
	struct told *t = &p->first->told;
	AddressSpace *a = p->mm->m;
	char path[32], *text;
	size_t len;

	if (t->brk)
		a->brk = t->brk;
	if (!p->owns_mm)
		return;
	snprintf(path, sizeof path, "%d/auxv", p->leader->tgid.n);
	if (t->auxv) {
		a->auxv = (ProtobufCBinaryData){t->auxv_len, t->auxv};
		t->auxv = NULL;
	} else if (fd_slurp_at(s->space->proc_fd, path, &text, &len) == 0) {
		a->auxv = (ProtobufCBinaryData){len, (uint8_t *)text};
	}
}

static void check_cwd(struct save *s, Process *m)
{
	size_t len = strlen(m->cwd);

	if (len <= 10 || strcmp(m->cwd + len - 10, " (deleted)"))
		return;
	m->cwd_deleted = true;
	collect_refuse(s, vpid_of(m->pid), 0, "E_CWD_DELETED", "a removed directory cannot be made again",
		       "let it change to a directory that exists", "working directory %s", m->cwd);
}

int collect_words(struct save *s, struct pidspace_error *err)
{
	const struct saved_process *init = collect_find(s, vpid_of(1));

	vec_each(slot, &s->engine->processes) {
		struct saved_process *p = *slot;
		if (!p->first)
			continue;
		if (p->as)
			collect_take_words(p);
		else if (take_directories(s, p, &init->first->told) < 0)
			return error_sys(err, -ENOMEM, "cannot read process %d", p->m->pid);
		check_cwd(s, p->m);
		if (p->mm && !p->as)
			take_memory_words(s, p);
		p->m->cmdline = command_line(p);
	}
	return 0;
}
