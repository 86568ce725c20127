/* Descriptor tables, and the open file descriptions behind them. A description is met once: a forked
 * child's descriptor is compared with its parent's of the same number first, because nearly always
 * they are the same. */
#include "checkpoint/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "kinds/fd_kind.h"
#include "tracee/batch.h"

static const Descriptor *table_find(const FdTable *t, uint32_t number)
{
	size_t lo = 0, hi = t ? t->n_fd : 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (t->fd[mid]->number == number)
			return t->fd[mid];
		if (t->fd[mid]->number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static uint32_t field(const char *info, const char *name, int base)
{
	const char *p = strstr(info, name);

	return p ? (uint32_t)strtoul(p + strlen(name), NULL, base) : 0;
}

/* By inode, then by the kernel's own order of descriptions (kcmp(2): 1 less, 2 greater): thousands of
 * eventfds share one inode. -1, 0, 1. */
static int compare(const struct saved_file *f, int local, const struct stat *st)
{
	if (f->st.st_dev != st->st_dev)
		return f->st.st_dev < st->st_dev ? -1 : 1;
	if (f->st.st_ino != st->st_ino)
		return f->st.st_ino < st->st_ino ? -1 : 1;
	int k = sys_kcmp(getpid(), getpid(), SYS_KCMP_FILE, (unsigned long)f->local, (unsigned long)local);
	return k == 0 ? 0 : k == 1 ? -1 : 1;
}

/* The description our duplicate refers to, if it was met already; else *ret_at is its place in the order. */
static struct saved_file *same_description(struct save *s, int local, const struct stat *st, size_t *ret_at)
{
	const struct save_engine *e = s->engine;
	size_t lo = 0, hi = e->file_order.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		struct saved_file *f = &s->files.at[e->file_order.at[mid]];
		int k = compare(f, local, st);
		if (k == 0)
			return f;
		if (k < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_at = lo;
	return NULL;
}

static struct saved_file *add_description(struct save *s, size_t at)
{
	struct save_engine *e = s->engine;
	struct saved_file *f = vec_push(&s->files);

	if (!f || !vec_push(&e->file_order))
		return NULL;
	uint32_t *o = e->file_order.at;
	memmove(o + at + 1, o + at, (e->file_order.n - 1 - at) * sizeof *o);
	o[at] = (uint32_t)s->files.n - 1;
	f->local = -1;
	return f;
}

static int new_description(struct save *s, struct saved_process *p, int fd, char *info, uint32_t *ret_id)
{
	char path[64];
	struct stat st;

	if (p->pidfd < 0)
		/* A leader that has exited holds no table any more: then through a thread (Linux 6.9). */
		p->pidfd = sys_pidfd_open(p->first->t.tid.n, p->first == p->leader ? 0 : O_EXCL);
	_cleanup_close_ int local = sys_pidfd_getfd(p->pidfd, fd);
	if (local < 0)
		return local;
	if (fstat(local, &st) < 0)
		return -errno;
	size_t at;
	struct saved_file *f = same_description(s, local, &st, &at);
	if (f) {
		free(info);
		*ret_id = f->id;
		return 0;
	}
	f = add_description(s, at);
	if (!f)
		return -ENOMEM;
	f->id = (uint32_t)s->files.n;
	f->holder = p->leader->tgid;
	f->holder_host = p->leader->t.tgid;
	f->fd = fd;
	f->local = fd_take(&local);
	f->st = st;
	f->info = info;
	f->flags = field(info, "flags:\t", 8) & ~(uint32_t)O_CLOEXEC;
	const char *pos = strstr(info, "pos:\t");
	f->pos = pos ? strtoll(pos + 5, NULL, 10) : 0;
	f->mnt_id = (int)field(info, "mnt_id:\t", 10);
	snprintf(path, sizeof path, "%d/task/%d/fd/%d", p->leader->tgid.n, p->first->tid.n, fd);
	ssize_t n = readlinkat(s->space->proc_fd, path, f->link, sizeof f->link - 1);
	f->link[n > 0 ? n : 0] = 0;
	*ret_id = f->id;
	return 0;
}

/* Before the text may go: locks of whoever shares a file count for all who have it open. */
static int note_locks(struct save *s, const char *info)
{
	while (info && (info = strstr(info, "\nlock:\t"))) {
		info += strlen("\nlock:\t");
		char **slot = vec_push(&s->locks);
		if (!slot)
			return -ENOMEM;
		*slot = strndup(info, strcspn(info, "\n"));
		if (!*slot)
			return -ENOMEM;
	}
	return 0;
}

static int add_descriptor(struct save *s, struct saved_process *p, struct outside_fd *seen)
{
	const FdTable *above = p->parent ? p->parent->fds : NULL;
	int fd = seen->number;
	const Descriptor *twin = table_find(above, (uint32_t)fd);
	Descriptor *d = malloc(sizeof *d);
	char *info = seen->info;
	int r;

	if (!d || note_locks(s, info) < 0) {
		free(d);
		return -ENOMEM;
	}
	descriptor__init(d);
	seen->info = NULL;
	d->number = (uint32_t)fd;
	d->cloexec = field(info, "flags:\t", 8) & O_CLOEXEC;
	if (twin && sys_kcmp(p->first->t.tid.n, p->parent->first->t.tid.n, SYS_KCMP_FILE, (unsigned long)fd,
			     (unsigned long)fd) == 0) {
		d->file = twin->file;
		free(info);
	} else if ((r = new_description(s, p, fd, info, &d->file)) < 0) {
		free(info);
		free(d);
		return r;
	}
	p->fds->fd[p->fds->n_fd++] = d;
	return 0;
}

static int read_table(struct save *s, struct saved_process *p)
{
	size_t n = p->seen.fd.n;
	int r = p->seen.fds_error;

	if (r < 0)
		return r;
	p->fds = malloc(sizeof *p->fds);
	if (!p->fds)
		return -ENOMEM;
	fd_table__init(p->fds);
	p->fds->id = p->m->fd_table;
	if (p->as_fds) {
		p->fds->fd = p->as_fds->fds->fd;
		p->fds->n_fd = p->as_fds->fds->n_fd;
		return 0;
	}
	p->fds->fd = calloc(n + 1, sizeof *p->fds->fd);
	if (!p->fds->fd)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_descriptor(s, p, &p->seen.fd.at[i]);
	return r;
}

int collect_files(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;

	for (size_t i = 0; i < e->processes.n; i++) {
		struct saved_process *p = e->processes.at[i];
		if (!p->first)
			continue;
		if (!p->owns_fds) {
			for (size_t k = 0; k < i; k++)
				if (e->processes.at[k]->m->fd_table == p->m->fd_table)
					p->fds = e->processes.at[k]->fds;
			continue;
		}
		int r = read_table(s, p);
		if (r < 0)
			return error_sys(err, r, "cannot read the descriptors of process %d", p->m->pid);
	}
	return 0;
}

/* A description opened by the kernel itself with O_CLOEXEC (TIOCGPTPEER) keeps that flag, and fdinfo shows
 * it for each of its descriptors whatever they have (fs/proc/fd.c seq_show()). Only the process knows. */
static bool hides_cloexec(const struct save *s, const Descriptor *d)
{
	const struct saved_file *f = save_file(s, d->file);

	return f && fcntl(f->local, F_GETFL) & O_CLOEXEC;
}

int collect_cloexec(struct save *s, struct pidspace_error *err)
{
	int r = 0;

	vec_each(slot, &s->engine->processes) {
		struct saved_process *p = *slot;
		struct batch b = {};
		size_t n = 0;
		if (!p->first || p->refused || !p->owns_fds || p->as_fds || r < 0)
			continue;
		if (p->look.knows_cloexec) {
			for (size_t i = 0; i < p->fds->n_fd; i++)
				p->fds->fd[i]->cloexec = p->look.cloexec >> p->fds->fd[i]->number & 1;
			continue;
		}
		for (size_t i = 0; i < p->fds->n_fd; i++)
			if (hides_cloexec(s, p->fds->fd[i]))
				BATCH_CALL(&b, "fcntl(F_GETFD)", SYS_fcntl, p->fds->fd[i]->number, F_GETFD);
		if (b.calls.n)
			r = batch_run(&p->first->t, &b, err);
		for (size_t i = 0; i < p->fds->n_fd && n < b.calls.n && r == 0; i++)
			if (hides_cloexec(s, p->fds->fd[i]))
				p->fds->fd[i]->cloexec = batch_result(&b, (int)n++) & FD_CLOEXEC;
		batch_done(&b);
	}
	return r;
}

static int write_file(struct save *s, struct saved_file *f, struct pidspace_error *err)
{
	const struct fd_kind *k = fd_kind_of(s, f);
	OpenFile m = OPEN_FILE__INIT;
	struct f_owner_ex owner = {};
	size_t refused = s->refusals.n;
	int r = k->save(s, f, &m.body, err);

	if (r == -ENOTSUP || s->refusals.n > refused) {
		free(m.body.data);
		return 0;
	}
	if (r < 0)
		return error_add(err, r, "descriptor %d of process %d (%s)", f->fd, f->holder.n, f->link);
	m.id = f->id;
	m.kind = k->id;
	m.flags = f->flags;
	m.pos = f->pos;
	if (fcntl(f->local, F_GETOWN_EX, &owner) == 0 && owner.pid) {
		struct vpid v;
		int sig = fcntl(f->local, F_GETSIG);
		/* The kernel answers in our own space. */
		if (space_to_guest(s->space, hpid_of(owner.pid), &v) == 0) {
			m.owner = v.n;
			m.owner_type = owner.type;
			m.owner_signal = sig > 0 ? (uint32_t)sig : 0;
		}
	}
	size_t len = open_file__get_packed_size(&m);
	_cleanup_free_ uint8_t *buf = malloc(len + 1);
	if (!buf)
		return error_sys(err, -ENOMEM, "cannot save a file");
	open_file__pack(&m, buf);
	free(m.body.data);
	return save_frame(s, FRAME_OPEN_FILE, buf, len, err);
}

int collect_write_files(struct save *s, struct pidspace_error *err)
{
	/* By index: kinds may add nothing, but rows may not move under a pointer either. */
	for (size_t i = 0; i < s->files.n; i++) {
		int r = write_file(s, &s->files.at[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}
