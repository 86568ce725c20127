/* Address spaces: whose they are, what is mapped in them, and which came by fork from which. */
#include "checkpoint/collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "checkpoint/plan.h"
#include "kernel/sys.h"
#include "kinds/deleted.h"
#include "kinds/shared_memory.h"

/* Sharing by kcmp(2), which orders: a sorted list per type makes 10,000 processes n log n. */
struct share_list {
	VEC(struct share { struct hpid who; uint32_t id; }) row;
};

static uint32_t share_id(struct share_list *l, struct hpid who, int type, uint32_t next, bool *ret_new)
{
	size_t lo = 0, hi = l->row.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = sys_kcmp(who.n, l->row.at[mid].who.n, type, 0, 0);
		if (c == 0) {
			*ret_new = false;
			return l->row.at[mid].id;
		}
		if (c == 1)
			hi = mid;
		else
			lo = mid + 1;
	}
	*ret_new = true;
	if (vec_push(&l->row)) {
		memmove(&l->row.at[lo + 1], &l->row.at[lo], (l->row.n - 1 - lo) * sizeof *l->row.at);
		l->row.at[lo] = (struct share){who, next};
	}
	return next;
}

/* A descriptor of what is behind mapping m, though it has no name: root may open it, others need one that
 * is open somewhere in the tree. -1: none. */
static int nameless_fd(struct save *s, const struct saved_mm *mm, const struct proc_map *m)
{
	char path[80];

	snprintf(path, sizeof path, "%d/map_files/%llx-%llx", mm->owner->m->pid, (unsigned long long)m->start,
		 (unsigned long long)m->end);
	int fd = openat(s->space->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	vec_each(f, &s->files)
		if (f->st.st_dev == m->dev && f->st.st_ino == m->ino && f->local >= 0)
			return fcntl(f->local, F_DUPFD_CLOEXEC, 3);
	return -1;
}

static bool is_gone(const char *name)
{
	size_t len = strlen(name);

	return len > 10 && !strcmp(name + len - 10, " (deleted)");
}

/* Another name of a file in /dev/shm whose first one is gone: sem_open(3) maps a temporary name, links the
 * real one to it and unlinks it. malloc'd, NULL: none. */
static char *other_name(const struct save *s, const struct proc_map *m)
{
	int fd = strncmp(m->name, "/dev/shm/", 9) ? -1
						  : openat(s->root_fd, "dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	char *found = NULL;

	if (!d)
		return NULL;
	while (!found && (e = readdir(d)))
		if (e->d_ino == m->ino && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == m->ino && st.st_dev == m->dev && asprintf(&found, "/dev/shm/%s", e->d_name) < 0)
			found = NULL;
	closedir(d);
	return found;
}

static int mapped_file(struct save *s, struct saved_mm *mm, const struct proc_map *m, bool writable,
		       uint32_t *ret_id, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	struct stat st;
	_cleanup_free_ char *other = is_gone(m->name) ? other_name(s, m) : NULL;
	const char *name = other ? other : m->name;
	bool gone = is_gone(name);
	uint32_t deleted = 0;

	vec_each(p, &e->mapped) {
		MappedFile *f = *p;
		if (f->device == m->dev && f->inode == m->ino && f->writable == writable) {
			*ret_id = f->id;
			return 0;
		}
	}
	_cleanup_close_ int fd = -1;
	if (!gone) {
		struct stat want = {.st_dev = m->dev, .st_ino = m->ino};
		fd = save_open_same(s, name, &want);
		/* Some file systems show another device in maps than in stat: trust the path then. */
		if (fd == -ESTALE)
			fd = openat(s->root_fd, name[0] == '/' ? name + 1 : name, O_PATH | O_CLOEXEC);
	} else {
		fd = nameless_fd(s, mm, m);
		int r = fd < 0 ? 0 : deleted_save(s, NULL, fd, m->name, &deleted, err);
		if (r < 0)
			return r == -ENOTSUP ? 0 : r; /* it is among the refusals */
		deleted++;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return 1;
	MappedFile *f = malloc(sizeof *f), **slot = vec_push(&e->mapped);
	if (!f || !slot)
		return error_sys(err, -ENOMEM, "cannot save mappings");
	mapped_file__init(f);
	f->id = (uint32_t)e->mapped.n;
	f->path = strdup(name);
	f->size = (uint64_t)st.st_size;
	f->mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	f->deleted = deleted;
	f->writable = writable;
	f->device = m->dev;
	f->inode = m->ino;
	*slot = f;
	*ret_id = f->id;
	MappedFile **all = reallocarray(mm->m->file, mm->m->n_file + 1, sizeof *all);
	if (!all)
		return error_sys(err, -ENOMEM, "cannot save mappings");
	mm->m->file = all;
	mm->m->file[mm->m->n_file++] = f;
	return 0;
}

static const struct {
	unsigned from, to;
} flag_words[] = {
	{PROC_MAP_SHARED, VMA_FLAG__VMA_SHARED},         {PROC_MAP_GROWSDOWN, VMA_FLAG__VMA_GROWSDOWN},
	{PROC_MAP_DONTFORK, VMA_FLAG__VMA_DONTFORK},     {PROC_MAP_WIPEONFORK, VMA_FLAG__VMA_WIPEONFORK},
	{PROC_MAP_DONTDUMP, VMA_FLAG__VMA_DONTDUMP},     {PROC_MAP_HUGEPAGE, VMA_FLAG__VMA_HUGEPAGE},
	{PROC_MAP_NOHUGEPAGE, VMA_FLAG__VMA_NOHUGEPAGE}, {PROC_MAP_MERGEABLE, VMA_FLAG__VMA_MERGEABLE},
	{PROC_MAP_LOCKED, VMA_FLAG__VMA_LOCKED},         {PROC_MAP_SEQUENTIAL, VMA_FLAG__VMA_SEQUENTIAL},
	{PROC_MAP_RANDOM, VMA_FLAG__VMA_RANDOM},         {PROC_MAP_NORESERVE, VMA_FLAG__VMA_NORESERVE},
	{PROC_MAP_MAYWRITE, VMA_FLAG__VMA_MAYWRITE},     {PROC_MAP_LOCKED_ON_FAULT, VMA_FLAG__VMA_LOCK_ON_FAULT},
};

static void refuse_map(struct save *s, const struct saved_mm *mm, const struct proc_map *m, const char *code,
		       const char *why, const char *advice)
{
	collect_refuse(s, vpid_of(mm->owner->m->pid), m->start, code, why, advice, "mapping %s",
		       *m->name ? m->name : "(anonymous)");
}

/* Write protection for tracking looks the same whoever has set it up. */
static bool watched_by_us(const struct save *s, const struct saved_mm *mm, const struct proc_map *m)
{
	const struct earlier *e = s->engine->earlier;

	return e && e->watches(e->arg, vpid_of(mm->owner->m->pid), m->start, m->end);
}

static int classify(struct save *s, struct saved_mm *mm, const struct proc_map *m, Vma *v,
		    struct pidspace_error *err)
{
	bool shared = m->flags & PROC_MAP_SHARED;
	int r;

	if (m->flags & PROC_MAP_UFFD || (m->flags & PROC_MAP_UFFD_WP && !watched_by_us(s, mm, m)))
		refuse_map(s, mm, m, "E_USERFAULTFD", "a program inside handles its page faults",
			   "let it unregister the range");
	if (m->flags & PROC_MAP_HUGETLB)
		refuse_map(s, mm, m, "E_HUGETLB", "memory of the huge page pool cannot be carried yet",
			   "use transparent huge pages");
	if (!strcmp(m->name, "[vdso]")) {
		v->kind = VMA_KIND__VMA_VDSO;
		mm->m->vdso = m->start;
		return 0;
	}
	if (!strncmp(m->name, "[vvar", 5)) {
		v->kind = VMA_KIND__VMA_VVAR;
		return 0;
	}
	if (!m->ino && !shared) {
		v->kind = VMA_KIND__VMA_ANONYMOUS;
		v->offset = 0;
		if (!strncmp(m->name, "[anon:", 6)) {
			free(v->name == (char *)protobuf_c_empty_string ? NULL : v->name);
			v->name = strndup(m->name + 6, strlen(m->name) - 7);
		}
		return 0;
	}
	if (m->flags & (PROC_MAP_IO | PROC_MAP_PFN)) {
		refuse_map(s, mm, m, "E_DEVICE_MEMORY", "it maps a device", "close the device");
		return 0;
	}
	if (!strncmp(m->name, "/SYSV", 5)) {
		refuse_map(s, mm, m, "E_SYSV_SHM", "System V shared memory cannot be carried yet",
			   "use POSIX shared memory");
		return 0;
	}
	if (shm_object_is(m->name) || !strncmp(m->name, "[anon_shmem:", 12)) {
		_cleanup_close_ int fd = nameless_fd(s, mm, m);
		bool fresh = false;
		v->kind = VMA_KIND__VMA_SHARED_MEMORY;
		r = shm_object_save(s, NULL, m->dev, m->ino, m->name, fd, m->offset + m->end - m->start,
				    &v->object, &fresh, err);
		if (fd < 0 && r == 0) {
			/* Its pages are read through the first mapping found, see collect_pages. */
			v->flags |= fresh ? COLLECT_THROUGH_MAP : 0;
		}
		return r == -ENOTSUP ? 0 : r;
	}
	if (m->name[0] != '/' || !strncmp(m->name, "/dev/", 5)) {
		if (!strcmp(m->name, "/dev/zero") && !shared) {
			v->kind = VMA_KIND__VMA_ANONYMOUS;
			return 0;
		}
		if (strncmp(m->name, "/dev/shm/", 9)) {
			refuse_map(s, mm, m, "E_DEVICE_MEMORY", "it maps a kernel object or a device",
				   "unmap it, or close what it belongs to");
			return 0;
		}
	}
	v->kind = VMA_KIND__VMA_FILE;
	r = mapped_file(s, mm, m, shared && (m->flags & PROC_MAP_MAYWRITE), &v->object, err);
	/* Nobody can open it any more, but its pages are mapped: they go along as memory. */
	if (r == 1 && is_gone(m->name) && (m->prot & PROT_READ)) {
		if (!shared) {
			struct page_run *run = vec_push(&mm->pages);
			if (!run)
				return -ENOMEM;
			*run = (struct page_run){.start = m->start, .end = m->end};
			v->kind = VMA_KIND__VMA_ANONYMOUS;
			v->offset = 0;
			v->flags |= COLLECT_WHOLE;
			return 0;
		}
		bool fresh = false;
		v->kind = VMA_KIND__VMA_SHARED_MEMORY;
		r = shm_object_save(s, NULL, m->dev, m->ino, "/dev/zero (deleted)", -1,
				    m->offset + m->end - m->start, &v->object, &fresh, err);
		v->flags |= r == 0 && fresh ? COLLECT_THROUGH_MAP : 0;
		return r == -ENOTSUP ? 0 : r;
	}
	if (r == 1) {
		refuse_map(s, mm, m, "E_MAPPED_FILE", "the file is not where it was and cannot be read",
			   "restart the program so that it maps the current file");
		return 0;
	}
	return r;
}

/* One whose mappings are probably the same. NULL: there is none yet. */
static const struct saved_mm *like(const struct save *s, const struct saved_mm *mm)
{
	const struct saved_process *twin = mm->owner->as_maps;
	size_t n = s->engine->mms.n;

	return twin ? twin->mm : n > 1 ? s->engine->mms.at[n - 2] : NULL;
}

static bool same_vma(const Vma *a, const Vma *b)
{
	return a->start == b->start && a->end == b->end && a->prot == b->prot && a->flags == b->flags &&
	       a->kind == b->kind && a->object == b->object && a->offset == b->offset && !strcmp(a->name, b->name);
}

/* The mapping of the similar one that is the same, or a new one made of v, whose name it takes over. *at: where in the
 * similar one. NULL: no memory. */
static Vma *keep_vma(struct saved_mm *mm, Vma *v, const struct saved_mm *similar, size_t *at)
{
	while (similar && *at < similar->m->n_vma && similar->m->vma[*at]->start < v->start)
		(*at)++;
	if (similar && *at < similar->m->n_vma && same_vma(similar->m->vma[*at], v)) {
		if (v->name != (char *)protobuf_c_empty_string)
			free(v->name);
		return similar->m->vma[*at];
	}
	Vma *own = malloc(sizeof *own), **slot = vec_push(&mm->own);
	if (!own || !slot) {
		mm->own.n -= slot != NULL;
		free(own);
		return NULL;
	}
	*own = *v;
	return *slot = own;
}

static int collect_vmas(struct save *s, struct saved_mm *mm, struct pidspace_error *err)
{
	AddressSpace *a = mm->m;

	const struct saved_mm *similar = like(s, mm);
	size_t at = 0;

	a->vma = calloc(mm->maps->map.n, sizeof *a->vma);
	if (!a->vma)
		return error_sys(err, -ENOMEM, "cannot save mappings");
	vec_each(m, &mm->maps->map) {
		if (!strcmp(m->name, "[vsyscall]") || !strcmp(m->name, "[uprobes]"))
			continue;
		Vma v;
		vma__init(&v);
		v.start = m->start;
		v.end = m->end;
		v.prot = (uint32_t)m->prot;
		v.offset = m->offset;
		for (size_t i = 0; i < sizeof flag_words / sizeof *flag_words; i++)
			if (m->flags & flag_words[i].from)
				v.flags |= flag_words[i].to;
		int r = classify(s, mm, m, &v, err);
		if (r >= 0)
			a->vma[a->n_vma] = keep_vma(mm, &v, similar, &at);
		if (r < 0)
			return error_add(err, r, "mapping %llx of process %d", (unsigned long long)m->start,
					 mm->owner->m->pid);
		if (!a->vma[a->n_vma++])
			return error_sys(err, -ENOMEM, "cannot save mappings");
	}
	return 0;
}

static int collect_exe(struct save *s, struct saved_mm *mm, struct pidspace_error *err)
{
	struct saved_process *p = mm->owner;

	if (!p->seen.exe_ino)
		return 0;
	struct proc_map m = {.dev = p->seen.exe_dev, .ino = p->seen.exe_ino, .name = p->m->exe};
	vec_each(f, &s->engine->mapped)
		if (!strcmp((*f)->path, p->m->exe)) {
			mm->m->exe = (*f)->id;
			return 0;
		}
	int r = mapped_file(s, mm, &m, false, &mm->m->exe, err);
	return r < 0 ? r : 0;
}

static int new_mm(struct save *s, struct saved_process *p, struct saved_mm **ret, struct pidspace_error *err)
{
	struct saved_mm *mm = calloc(1, sizeof *mm), **slot = vec_push(&s->engine->mms);
	int r;

	if (!mm || !slot)
		return error_sys(err, -ENOMEM, "cannot save address spaces");
	*slot = mm;
	mm->id = (uint32_t)s->engine->mms.n;
	mm->owner = p;
	mm->pagemap = mm->mem = -1;
	mm->proc_fd = s->space->proc_fd;
	mm->m = malloc(sizeof *mm->m);
	if (!mm->m)
		return error_sys(err, -ENOMEM, "cannot save address spaces");
	address_space__init(mm->m);
	mm->m->id = mm->id;
	const struct proc_stat st = p->seen.mm_stat ? *p->seen.mm_stat : *p->stat;
	mm->maps_read = p->seen.maps;
	mm->maps = p->as_maps ? p->as_maps->mm->maps : &mm->maps_read;
	p->seen.maps = (struct proc_maps){};
	if (p->seen.maps_error < 0)
		return error_sys(err, p->seen.maps_error, "cannot read the mappings of process %d", p->m->pid);
	mm->m->start_code = st.start_code;
	mm->m->end_code = st.end_code;
	mm->m->start_data = st.start_data;
	mm->m->end_data = st.end_data;
	mm->m->start_brk = st.start_brk;
	mm->m->start_stack = st.start_stack;
	mm->m->arg_start = st.arg_start;
	mm->m->arg_end = st.arg_end;
	mm->m->env_start = st.env_start;
	mm->m->env_end = st.env_end;
	*ret = mm;
	r = collect_vmas(s, mm, err);
	vec_trim(&mm->own);
	return r < 0 ? r : collect_exe(s, mm, err);
}

/* Forked, and no exec since: layout randomisation makes these numbers a fingerprint. */
static bool related(const AddressSpace *a, const AddressSpace *b)
{
	return a->start_stack == b->start_stack && a->start_brk == b->start_brk &&
	       a->arg_start == b->arg_start && a->start_code == b->start_code && a->vdso == b->vdso;
}

static int find_parents(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	Process **ps = calloc(e->processes.n, sizeof *ps);
	struct plan plan;
	int r;

	if (!ps)
		return error_sys(err, -ENOMEM, "cannot save address spaces");
	for (size_t i = 0; i < e->processes.n; i++)
		ps[i] = e->processes.at[i]->m;
	r = plan_make(&plan, ps, e->processes.n, err);
	free(ps);
	if (r == -ENOTSUP) {
		collect_refuse(s, vpid_of(0), 0, err->code, err->message, "see the message", "process tree");
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.n; i++) {
		struct saved_mm *mm = e->processes.at[i]->mm;
		struct saved_mm *from = plan.step[i].forker >= 0 ? e->processes.at[plan.step[i].forker]->mm : NULL;
		if (mm && from && mm != from && mm->owner == e->processes.at[i] && related(mm->m, from->m)) {
			mm->parent = from;
			mm->m->parent = from->id;
		}
	}
	plan_done(&plan);
	return 0;
}

struct sharing {
	struct save_engine *e;
	struct proc_share { uint32_t id; bool owns; } *of[3]; /* by process */
};

static const int share_types[] = {SYS_KCMP_VM, SYS_KCMP_FILES, SYS_KCMP_FS};

struct owner {
	uint64_t what; /* the kernel's address of it */
	uint32_t at;   /* process */
};

static int by_what(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The same from the kernel's records, if there is one of every process: false where not. */
static bool share_by_address(const struct sharing *sh, size_t k)
{
	size_t n = sh->e->processes.n;
	_cleanup_free_ struct owner *of = calloc(n, sizeof *of);
	uint32_t ids = 0;

	for (size_t i = 0; of && i < n; i++) {
		const struct saved_process *p = sh->e->processes.at[i];
		const uint64_t what[] = {p->look.mm, p->look.files, p->look.fs};
		if (p->first && !p->look.told)
			return false;
		of[i] = (struct owner){what[k], (uint32_t)i};
	}
	if (!of)
		return false;
	qsort(of, n, sizeof *of, by_what);
	for (size_t i = 0; i < n; i++)
		sh->of[k][of[i].at].owns = of[i].what && (!i || of[i].what != of[i - 1].what);
	for (size_t i = 0; i < n; i++)
		if (sh->of[k][i].owns)
			sh->of[k][i].id = ++ids;
	for (size_t i = 1; i < n; i++)
		if (of[i].what && of[i].what == of[i - 1].what)
			sh->of[k][of[i].at].id = sh->of[k][of[i - 1].at].id;
	return true;
}

static void share_one_type(void *arg, size_t k, unsigned worker)
{
	struct sharing *sh = arg;
	struct share_list l = {};
	uint32_t n = 0;

	if (share_by_address(sh, k))
		return;
	for (size_t i = 0; i < sh->e->processes.n; i++) {
		const struct saved_process *p = sh->e->processes.at[i];
		struct proc_share *o = &sh->of[k][i];
		if (!p->first)
			continue;
		o->id = share_id(&l, p->first->t.tid, share_types[k], n + 1, &o->owns);
		n += o->owns;
	}
	vec_free(&l.row);
}

int collect_sharing(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	struct sharing sh = {.e = e};
	struct share_list handlers = {};
	size_t n = e->processes.n;
	_cleanup_free_ uint32_t *sharers = calloc(n + 1, sizeof *sharers); /* by address space */
	uint32_t n_handlers = 0;
	bool fresh;

	sh.of[0] = calloc(3 * n + 1, sizeof *sh.of[0]);
	if (!sh.of[0] || !sharers) {
		free(sh.of[0]);
		return error_sys(err, -ENOMEM, "cannot compare processes");
	}
	for (size_t k = 1; k < 3; k++)
		sh.of[k] = sh.of[0] + k * n;
	/* Three questions that have nothing to do with each other. */
	parallel_for(3, n < 32 ? 3 : 1, share_one_type, &sh);
	/* Handlers are shared only where memory is (kernel/fork.c copy_process(): CLONE_SIGHAND needs
	 * CLONE_VM), and exec ends both. */
	for (size_t i = 0; i < n; i++)
		sharers[sh.of[0][i].id]++;
	for (size_t i = 0; i < n; i++) {
		struct saved_process *p = e->processes.at[i];
		if (!p->first)
			continue;
		p->m->address_space = sh.of[0][i].id;
		p->owns_mm = sh.of[0][i].owns;
		p->m->fd_table = sh.of[1][i].id;
		p->owns_fds = sh.of[1][i].owns;
		e->n_fd_tables += p->owns_fds;
		p->m->handlers = sharers[p->m->address_space] > 1
			? share_id(&handlers, p->first->t.tid, SYS_KCMP_SIGHAND, n_handlers + 1, &fresh)
			: n_handlers + 1;
		n_handlers += p->m->handlers > n_handlers;
		p->m->fs = sh.of[2][i].id;
	}
	vec_each(slot, &e->processes) {
		struct saved_process *p = *slot;
		/* Whose memory others use has their scratch memory made; and only what an owner has is read. */
		if (p->first && sharers[p->m->address_space] > 1)
			p->as = NULL;
		if (p->as_maps && !p->as_maps->owns_mm)
			p->as_maps = NULL;
		if (p->as_fds && !p->as_fds->owns_fds)
			p->as_fds = NULL;
	}
	vec_free(&handlers.row);
	free(sh.of[0]);
	return 0;
}

int collect_maps(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	int r = 0;

	for (size_t i = 0; i < e->processes.n && r == 0; i++) {
		struct saved_process *p = e->processes.at[i];
		if (!p->first)
			continue;
		if (p->owns_mm)
			r = new_mm(s, p, &p->mm, err);
		else
			p->mm = e->mms.at[p->m->address_space - 1];
	}
	return r < 0 ? r : find_parents(s, err);
}
