/* Address spaces: from what a process was born with to what the image says, and their pages. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/proc_maps.h"
#include "kernel/sys.h"

#define PAGE 4096ULL
#define SLOTS 16
#define TASK_TOP 0x7ffffffff000ULL

/* A place free in every address space of the image, so that it can stay while mappings change. Low memory
 * nearly always is. */
int restore_choose_scratch(struct restore_engine *e, struct pidspace_error *err)
{
	uint64_t at = 0x10000, len = SCRATCH_CODE + SLOTS * SCRATCH_SLOT;

	for (bool moved = true; moved;) {
		moved = false;
		vec_each(m, &e->mms)
			for (size_t i = 0; *m && i < (*m)->n_vma; i++) {
				const Vma *v = (*m)->vma[i];
				if (v->start < at + len + PAGE && v->end + PAGE > at) {
					at = (v->end + 2 * PAGE) & ~(PAGE - 1);
					moved = true;
				}
			}
	}
	if (at + len > TASK_TOP)
		return error_set(err, -ENOMEM, "E_ADDRESS_SPACE",
				 "the image's programs leave no address free to work at");
	e->scratch = at;
	e->scratch_len = len;
	return 0;
}

/* --- init: from our own program to nothing --- */

static int vdso_of(const struct proc_maps *maps, uint64_t *ret)
{
	vec_each(m, &maps->map)
		if (!strcmp(m->name, "[vdso]")) {
			*ret = m->start;
			return 0;
		}
	return -ENOENT;
}

int restore_enter_init(struct restore_engine *e, struct pidspace_error *err)
{
	struct tracee *t = &e->at[0].t;
	struct sys_rseq_configuration rs = {};
	struct proc_maps maps;
	uint64_t vdso = 0;
	size_t len;
	const void *stub = scratch_stub(&len);
	int64_t got;

	int r = proc_maps_read(e->r->space->proc_fd, 1, &maps);
	if (r == 0) {
		r = vdso_of(&maps, &vdso);
		proc_maps_done(&maps);
	}
	if (r < 0)
		return error_sys(err, r, "cannot read the new init's mappings");
	t->newborn = true;
	t->done_signal = SIGURG;
	/* libc's registrations point into memory that goes away. */
	if (ptrace(SYS_PTRACE_GET_RSEQ_CONFIGURATION, t->tid.n, sizeof rs, &rs) > 0 && rs.rseq_abi_pointer)
		scratch_single_call(t, vdso, SYS_rseq, rs.rseq_abi_pointer, rs.rseq_abi_size, 1, rs.signature,
				    0, 0);
	got = scratch_single_call(t, vdso, SYS_mmap, e->scratch, e->scratch_len,
				  PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0);
	if (got != (int64_t)e->scratch)
		return error_sys(err, got < 0 ? (int)got : -EEXIST, "cannot map scratch memory in the new init");
	r = tracee_write(t, e->scratch, stub, len);
	t->stub = e->scratch;
	scratch_slot(t, e->scratch + SCRATCH_CODE, SCRATCH_SLOT);
	return r < 0 ? error_sys(err, r, "cannot write scratch memory in the new init") : 0;
}

/* --- mappings --- */

static void unmap(struct restore_engine *e, struct batch *b, uint64_t start, uint64_t end)
{
	uint64_t s = e->scratch, t = e->scratch + e->scratch_len;

	if (start < s && end > s) {
		unmap(e, b, start, s);
		start = s;
	}
	if (start >= s && start < t)
		start = t;
	if (start < end)
		BATCH_CALL(b, "munmap", SYS_munmap, start, end - start);
}

struct special { /* the vDSO and its data pages, present and wanted */
	uint64_t from, len, to;
};

static size_t find_specials(const struct proc_maps *maps, const AddressSpace *m, struct special *sp, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_vma; i++) {
		const Vma *v = m->vma[i];
		bool vdso = v->kind == VMA_KIND__VMA_VDSO;
		if ((!vdso && v->kind != VMA_KIND__VMA_VVAR) || n == max)
			continue;
		sp[n++] = (struct special){.to = v->start, .len = v->end - v->start};
	}
	size_t k = 0;
	vec_each(map, &maps->map)
		if ((!strcmp(map->name, "[vdso]") || !strncmp(map->name, "[vvar", 5)) && k < n) {
			if (map->end - map->start != sp[k].len)
				return SIZE_MAX;
			sp[k++].from = map->start;
		}
	return k == n ? n : SIZE_MAX;
}

/* Everything away but scratch and vDSO; the latter to its place. Pieces move through a hole when old and
 * new place overlap. */
static int clear_space(struct restore_engine *e, struct restored *p, struct batch *b,
		       struct pidspace_error *err)
{
	struct proc_maps maps;
	struct special sp[8];
	int r = proc_maps_read(e->r->space->proc_fd, p->p->pid, &maps);

	if (r < 0)
		return error_sys(err, r, "cannot read the mappings of process %d", p->p->pid);
	size_t n = find_specials(&maps, p->mm, sp, 8);
	if (n == SIZE_MAX) {
		proc_maps_done(&maps);
		return error_set(err, -ENOTSUP, "E_VDSO",
				 "this kernel's vDSO differs in size from the one in the image; restore it under the "
				 "same kernel version");
	}
	bool moves = false;
	uint64_t lo = n ? sp[0].from : TASK_TOP, hi = n ? sp[n - 1].from + sp[n - 1].len : TASK_TOP;
	proc_maps_done(&maps);
	for (size_t i = 0; i < n; i++)
		moves |= sp[i].from != sp[i].to;
	unmap(e, b, 0, lo);
	for (size_t i = 0; i + 1 < n; i++)
		unmap(e, b, sp[i].from + sp[i].len, sp[i + 1].from);
	unmap(e, b, hi, TASK_TOP);
	if (!moves)
		return 0;
	uint64_t hole = e->scratch + e->scratch_len + 16 * PAGE;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0, off = 0; i < n; off += sp[i++].len) {
			uint64_t from = pass ? hole + off : sp[i].from, to = pass ? sp[i].to : hole + off;
			BATCH_CALL(b, "mremap of the vDSO", SYS_mremap, from, sp[i].len, sp[i].len,
				   MREMAP_MAYMOVE | MREMAP_FIXED, to);
		}
	return 0;
}

static int map_one(struct restore_engine *e, const Vma *v, uint64_t start, uint64_t end, struct batch *b)
{
	uint64_t flags = MAP_FIXED, offset = 0;
	int fd = -1;

	if (v->kind == VMA_KIND__VMA_VDSO || v->kind == VMA_KIND__VMA_VVAR)
		return 0;
	if (v->kind == VMA_KIND__VMA_ANONYMOUS) {
		flags |= MAP_ANONYMOUS;
	} else {
		fd = v->kind == VMA_KIND__VMA_FILE ? restore_pool_mapped(e, v->object)
						   : restore_pool_shared(e, v->object);
		if (fd < 0)
			return fd;
		offset = v->offset + (start - v->start);
	}
	flags |= v->flags & VMA_FLAG__VMA_SHARED ? MAP_SHARED : MAP_PRIVATE;
	if (v->flags & VMA_FLAG__VMA_GROWSDOWN)
		flags |= MAP_GROWSDOWN;
	if (v->flags & VMA_FLAG__VMA_NORESERVE)
		flags |= MAP_NORESERVE;
	BATCH_CALL(b, "mmap", SYS_mmap, start, end - start, v->prot, flags, fd, offset);
	if (v->flags & VMA_FLAG__VMA_HUGEPAGE)
		batch_may_fail(b, BATCH_CALL(b, "madvise(MADV_HUGEPAGE)", SYS_madvise, start, end - start,
					     MADV_HUGEPAGE)); /* a kernel without huge pages */
	if (v->flags & VMA_FLAG__VMA_NOHUGEPAGE)
		batch_may_fail(b, BATCH_CALL(b, "madvise(MADV_NOHUGEPAGE)", SYS_madvise, start, end - start,
					     MADV_NOHUGEPAGE));
	if (v->name && *v->name) {
		size_t at = batch_str(b, v->name);
		int c = BATCH_CALL(b, "prctl(PR_SET_VMA_ANON_NAME)", SYS_prctl, 0x53564d41, 0, start,
				   end - start, BATCH_DATA(at));
		batch_may_fail(b, c); /* a kernel without CONFIG_ANON_VMA_NAME */
	}
	return 0;
}

static int map_all(struct restore_engine *e, const AddressSpace *m, struct batch *b)
{
	int r = 0;

	for (size_t i = 0; i < m->n_vma && r == 0; i++)
		r = map_one(e, m->vma[i], m->vma[i]->start, m->vma[i]->end, b);
	return r;
}

/* Is what the parent has mapped at `at` what the child wants there, but for protection and advice? */
static bool same_backing(const Vma *a, const Vma *c, uint64_t at)
{
	const unsigned alike = VMA_FLAG__VMA_SHARED | VMA_FLAG__VMA_GROWSDOWN | VMA_FLAG__VMA_NORESERVE |
			       VMA_FLAG__VMA_HUGEPAGE | VMA_FLAG__VMA_NOHUGEPAGE | VMA_FLAG__VMA_MERGEABLE;

	if (!a || a->kind != c->kind || ((a->flags ^ c->flags) & alike))
		return false;
	if (strcmp(a->name ? a->name : "", c->name ? c->name : ""))
		return false;
	if (c->kind == VMA_KIND__VMA_ANONYMOUS)
		return true;
	return a->object == c->object && a->offset + (at - a->start) == c->offset + (at - c->start);
}

static const Vma *vma_at(const AddressSpace *m, uint64_t at, uint64_t *ret_next)
{
	size_t lo = 0, hi = m->n_vma;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (m->vma[mid]->end <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == m->n_vma) {
		*ret_next = TASK_TOP;
		return NULL;
	}
	const Vma *v = m->vma[lo];
	*ret_next = v->start > at ? v->start : v->end;
	return v->start > at ? NULL : v;
}

/* From the parent's mappings to the child's: unmap what it lacks, map what differs, protect what only
 * differs in that. */
static int map_difference(struct restore_engine *e, const AddressSpace *parent, const AddressSpace *m,
			  struct batch *b)
{
	uint64_t at = 0, next_a, next_c;
	int r = 0;

	while (at < TASK_TOP && r == 0) {
		const Vma *a = vma_at(parent, at, &next_a), *c = vma_at(m, at, &next_c);
		uint64_t end = next_a < next_c ? next_a : next_c;
		if (a && !c)
			unmap(e, b, at, end);
		else if (c && !same_backing(a, c, at))
			r = map_one(e, c, at, end, b);
		else if (c && a->prot != c->prot)
			BATCH_CALL(b, "mprotect", SYS_mprotect, at, end - at, c->prot);
		at = end;
	}
	return r;
}

/* --- page ranges --- */

static int spans_add(struct page_list *l, uint64_t start, uint64_t end)
{
	struct page_span *last = l->span.n ? &l->span.at[l->span.n - 1] : NULL;

	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	struct page_span *s = vec_push(&l->span);
	if (!s)
		return -ENOMEM;
	*s = (struct page_span){start, end};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct page_span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* What the forker held when it was cloned and this child does not take over: away with it. */
static void drop_not_inherited(struct restore_engine *e, struct restored *p, const AddressSpace *parent,
			       struct batch *b)
{
	struct page_list *had = &e->held[parent->id - 1];
	const AddressSpace *m = p->mm;
	size_t k = 0;
	uint64_t next;

	if (had->span.n)
		qsort(had->span.at, had->span.n, sizeof *had->span.at, by_start);
	vec_each(s, &had->span) {
		for (uint64_t at = s->start; at < s->end;) {
			while (k < m->n_inherit && (m->inherit[k] + m->inherit[k + 1]) * PAGE <= at)
				k += 2;
			uint64_t in = k < m->n_inherit ? m->inherit[k] * PAGE : TASK_TOP;
			if (in <= at) {
				at = (m->inherit[k] + m->inherit[k + 1]) * PAGE;
				continue;
			}
			uint64_t end = in < s->end ? in : s->end;
			while (at < end) {
				const Vma *v = vma_at(m, at, &next), *pv;
				uint64_t stop = next < end ? next : end, pn;
				pv = vma_at(parent, at, &pn);
				if (pn < stop)
					stop = pn;
				/* Only where the parent's pages are still mapped there. */
				if (v && same_backing(pv, v, at) && !(v->flags & VMA_FLAG__VMA_SHARED))
					BATCH_CALL(b, "madvise(MADV_DONTNEED)", SYS_madvise, at, stop - at,
						   MADV_DONTNEED);
				at = stop;
			}
		}
	}
}

static int take_inherited(struct restore_engine *e, const AddressSpace *m)
{
	int r = 0;

	for (size_t i = 0; i + 1 < m->n_inherit && r == 0; i += 2)
		r = spans_add(&e->held[m->id - 1], m->inherit[i] * PAGE, (m->inherit[i] + m->inherit[i + 1]) * PAGE);
	return r;
}

int restore_map(struct restore_engine *e, size_t i, struct pidspace_error *err)
{
	struct restored *p = &e->at[i], *f = p->step->forker >= 0 ? &e->at[p->step->forker] : NULL;
	struct batch b = {};
	int r = 0;

	if (p->owns_mm && p->mm) {
		bool related = f && f->mm && p->mm->parent == f->mm->id;
		if (related) {
			r = map_difference(e, f->mm, p->mm, &b);
			if (r == 0)
				drop_not_inherited(e, p, f->mm, &b);
		} else {
			r = clear_space(e, p, &b, err);
			/* The program file can only be set while nothing of the old one is mapped, be it the
			 * same: before the mappings. */
			if (r == 0)
				r = restore_mm_words(e, p, &b);
			if (r == 0)
				r = map_all(e, p->mm, &b);
		}
		if (r == 0)
			r = take_inherited(e, p->mm);
		if (r < 0 && r != -ENOTSUP)
			error_sys(err, r, "cannot lay out process %d", p->p->pid);
		if (r == 0 && related)
			r = restore_mm_words(e, p, &b);
	}
	if (r == 0)
		restore_table(e, i, &b);
	if (r == 0 && b.calls.n)
		return restore_queue_add(e, p, &p->t, &b, err);
	batch_done(&b);
	return r < 0 ? error_add(err, r, "process %d", p->p->pid) : 0;
}

static bool same_words(const AddressSpace *a, const AddressSpace *b)
{
	return a->start_code == b->start_code && a->end_code == b->end_code && a->start_data == b->start_data &&
	       a->end_data == b->end_data && a->start_brk == b->start_brk && a->brk == b->brk &&
	       a->start_stack == b->start_stack && a->arg_start == b->arg_start && a->arg_end == b->arg_end &&
	       a->env_start == b->env_start && a->env_end == b->env_end && a->exe == b->exe &&
	       a->auxv.len == b->auxv.len && !memcmp(a->auxv.data, b->auxv.data, a->auxv.len);
}

/* prctl(2) PR_SET_MM_MAP: the numbers in /proc/PID/stat, the auxiliary vector and /proc/PID/exe. */
int restore_mm_words(struct restore_engine *e, struct restored *p, struct batch *b)
{
	const AddressSpace *m = p->mm;
	struct prctl_mm_map w = {
		.start_code = m->start_code, .end_code = m->end_code, .start_data = m->start_data,
		.end_data = m->end_data, .start_brk = m->start_brk, .brk = m->brk,
		.start_stack = m->start_stack, .arg_start = m->arg_start, .arg_end = m->arg_end,
		.env_start = m->env_start, .env_end = m->env_end,
		.auxv_size = (uint32_t)m->auxv.len, .exe_fd = (uint32_t)-1,
	};

	struct restored *f = p->step->forker >= 0 ? &e->at[p->step->forker] : NULL;
	if (f && f->mm && m->parent == f->mm->id && same_words(m, f->mm))
		return 0;
	/* A forked process has its forker's; setting it anew is EBUSY while it is mapped. */
	if (m->exe && !(f && f->mm && m->parent == f->mm->id && f->mm->exe == m->exe)) {
		int fd = restore_pool_mapped(e, m->exe);
		if (fd >= 0)
			w.exe_fd = (uint32_t)fd;
	}
	size_t auxv = batch_in(b, m->auxv.data, m->auxv.len);
	size_t map = batch_in(b, &w, sizeof w);
	/* The pointer to the auxiliary vector lies inside the structure, with which it
	 * travels. */
	batch_relocate(b, map + offsetof(struct prctl_mm_map, auxv), auxv);
	BATCH_CALL(b, "prctl(PR_SET_MM_MAP)", SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, BATCH_DATA(map), sizeof w, 0);
	return 0;
}

/* Advice that must come after the last clone: it would change what children get. */
void restore_mm_late(struct restore_engine *e, struct restored *p, struct batch *b)
{
	static const struct {
		unsigned flag;
		int advice;
	} advices[] = {
		{VMA_FLAG__VMA_DONTFORK, MADV_DONTFORK},     {VMA_FLAG__VMA_WIPEONFORK, MADV_WIPEONFORK},
		{VMA_FLAG__VMA_DONTDUMP, MADV_DONTDUMP},     {VMA_FLAG__VMA_MERGEABLE, MADV_MERGEABLE},
		{VMA_FLAG__VMA_SEQUENTIAL, MADV_SEQUENTIAL}, {VMA_FLAG__VMA_RANDOM, MADV_RANDOM},
	};

	for (size_t i = 0; i < p->mm->n_vma; i++) {
		const Vma *v = p->mm->vma[i];
		if (v->kind == VMA_KIND__VMA_VDSO || v->kind == VMA_KIND__VMA_VVAR)
			continue;
		for (size_t k = 0; k < sizeof advices / sizeof *advices; k++)
			if (v->flags & advices[k].flag)
				BATCH_CALL(b, "madvise", SYS_madvise, v->start, v->end - v->start, advices[k].advice);
		if (v->flags & VMA_FLAG__VMA_LOCKED) {
			int c = BATCH_CALL(b, "mlock", SYS_mlock2, v->start, v->end - v->start,
					   v->flags & VMA_FLAG__VMA_LOCK_ON_FAULT ? 1 : 0);
			batch_may_fail(b, c); /* beyond RLIMIT_MEMLOCK where it once was allowed */
		}
		for (size_t k = 0; k + 1 < v->n_guard; k += 2)
			BATCH_CALL(b, "madvise(MADV_GUARD_INSTALL)", SYS_madvise, v->guard[k] * PAGE,
				   v->guard[k + 1] * PAGE, SYS_MADV_GUARD_INSTALL);
	}
	(void)e;
}

/* --- content --- */

static struct restored *owner_of(struct restore_engine *e, uint32_t mm)
{
	/* Frames come in the order of the processes: nearly always this one's or the next's. */
	for (size_t k = 0; k < e->plan.n; k++) {
		size_t i = (e->filling + k) % e->plan.n;
		if (e->at[i].owns_mm && e->at[i].mm && e->at[i].mm->id == mm) {
			e->filling = i;
			return &e->at[i];
		}
	}
	return NULL;
}

static int put_zeros(struct restore_engine *e, const struct restored *p, uint64_t start, uint64_t end)
{
	static const uint8_t zeros[16 * PAGE];
	char path[32];

	/* Through /proc/PID/mem, which does not ask for write permission of the mapping. */
	snprintf(path, sizeof path, "%d/mem", p->p->pid);
	_cleanup_close_ int fd = openat(e->r->space->proc_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (start < end) {
		ssize_t k = pwrite(fd, zeros, end - start < sizeof zeros ? end - start : sizeof zeros, (off_t)start);
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		start += (uint64_t)k;
	}
	return 0;
}

/* A page of zeros is nothing to write where nothing is yet. But a private mapping of a file shows the file there,
 * and a parent may hold what only its children still share. */
static int write_zeros(struct restore_engine *e, const struct restored *p, const struct image_frame *f)
{
	int r = 0;

	for (size_t i = 0; i < f->n_runs && r == 0; i++) {
		uint64_t at = f->runs[i].address, end = at + f->runs[i].bytes, next;
		while (f->runs[i].zero && at < end && r == 0) {
			const Vma *v = vma_at(p->mm, at, &next);
			next = next < end ? next : end;
			if (v && v->kind == VMA_KIND__VMA_FILE)
				r = put_zeros(e, p, at, next);
			at = next;
		}
		vec_each(s, &e->held[f->space_id - 1].span) {
			uint64_t from = s->start > f->runs[i].address ? s->start : f->runs[i].address;
			uint64_t to = s->end < end ? s->end : end;
			if (f->runs[i].zero && f->phase == 1 && from < to && r == 0)
				r = put_zeros(e, p, from, to);
		}
	}
	return r;
}

int restore_pages(struct restore_engine *e, const struct image_frame *f, struct pidspace_error *err)
{
	struct restored *p = owner_of(e, f->space_id);
	int r = 0;

	if (!p || f->phase > 1)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "frame %llu (offset %llu) holds pages of an address space that is not there",
				 (unsigned long long)f->number, (unsigned long long)f->offset);
	if (f->phase == 0 && p->state == FORKED)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "frame %llu (offset %llu) comes too late", (unsigned long long)f->number,
				 (unsigned long long)f->offset);
	/* Nobody is cloned while their memory is being filled. */
	r = restore_fill_turn(e, p, f->phase, err);
	if (r < 0)
		return r;
	stats_enter(&e->st, PHASE_TREE);
	r = f->phase == 0 ? restore_until_mapped(e, (size_t)(p - e->at), err) : restore_build_tree(e, err);
	if (r == 0)
		r = restore_queue_finish(e, err);
	stats_enter(&e->st, PHASE_MEMORY);
	if (r < 0)
		return r;
	r = write_zeros(e, p, f);
	for (size_t i = 0; f->phase == 0 && i < f->n_runs && r == 0; i++)
		r = spans_add(&e->held[f->space_id - 1], f->runs[i].address, f->runs[i].address + f->runs[i].bytes);
	return r < 0 ? error_sys(err, r, "cannot note the pages of process %d", p->p->pid)
		     : restore_fill(e, p, f, err);
}
