/* A restore that leaves out memory: which frames are needed at once, and userfaultfds for all others. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "kernel/uffd.h"
#include "kinds/content.h"

/* What exit_robust_list() in kernel/futex/core.c looks at, at most. */
#define ROBUST_LIMIT 2048

/* --- what is needed at once --- */

/* May the pages of this mapping come later? A file's private pages cannot be registered, locked ones must be there, and
 * a child must find zeros in those of MADV_WIPEONFORK, which no event tells. */
static bool can_wait(const Vma *v)
{
	const unsigned not = VMA_FLAG__VMA_SHARED | VMA_FLAG__VMA_LOCKED | VMA_FLAG__VMA_WIPEONFORK;

	return v->kind == VMA_KIND__VMA_ANONYMOUS && !(v->flags & not);
}

static bool has_pages(const Vma *v)
{
	return v->kind != VMA_KIND__VMA_VDSO && v->kind != VMA_KIND__VMA_VVAR && !(v->flags & VMA_FLAG__VMA_SHARED);
}

/* The first mapping that ends above address. */
static size_t vma_from(const AddressSpace *m, uint64_t address)
{
	size_t lo = 0, hi = m->n_vma;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (m->vma[mid]->end <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Phase 0 is what children share; bit 31 of an id means bytes of a file. */
static enum restored_when when_needed(const struct restore_engine *e, const struct format_entry *x)
{
	bool some = false, all = true;

	if (x->phase == 0 || x->space_id & CONTENT_SPACE || !x->space_id || x->space_id > e->mms.n)
		return WHOLE_NOW;
	const AddressSpace *m = e->mms.at[x->space_id - 1];
	for (size_t i = vma_from(m, x->start); i < m->n_vma && m->vma[i]->start < x->end; i++) {
		if (!has_pages(m->vma[i]))
			continue;
		some |= !can_wait(m->vma[i]);
		all &= !can_wait(m->vma[i]);
	}
	return all ? WHOLE_NOW : some ? PART_NOW : LATER;
}

int restore_lazy_choose(struct restore_engine *e, struct pidspace_error *err)
{
	const struct image_index *x = e->o->lazy->index;
	size_t n = image_index_count(x);

	e->when = calloc(n + 1, sizeof *e->when);
	e->lazy.here = calloc(n + 1, sizeof *e->lazy.here);
	e->lens = image_lens_new(x);
	if (!e->when || !e->lazy.here || !e->lens)
		return error_sys(err, -ENOMEM, "cannot restore");
	for (size_t i = 0; i < n; i++) {
		e->when[i] = when_needed(e, image_index_entry(x, i));
		e->lazy.here[i] = e->when[i] == WHOLE_NOW;
		e->lazy.extents += !e->lazy.here[i];
	}
	return 0;
}

/* Do children share a version of any page in this range that its owner has written over since (both phases hold it)?
 * Such a page is there already, so nothing would ask for the right one. Phase 0 has been restored by now. */
static bool may_be_written_over(const struct restore_engine *e, const struct format_entry *x)
{
	const struct page_list *had = &e->held[x->space_id - 1];

	vec_each(span, &had->span)
		if (span->start < x->end && span->end > x->start)
			return true;
	return false;
}

int restore_lazy_next(struct restore_engine *e, struct image_frame *f, struct pidspace_error *err)
{
	size_t n = image_index_count(e->o->lazy->index);

	for (; e->next_entry < n && e->when[e->next_entry] == LATER; e->next_entry++)
		if (may_be_written_over(e, image_index_entry(e->o->lazy->index, e->next_entry))) {
			e->when[e->next_entry] = PART_NOW;
			break;
		}
	if (e->next_entry == n)
		return 0;
	int r = image_lens_read(e->lens, e->next_entry++, f, err);
	return r < 0 ? r : 1;
}

/* One piece of a run, whose bytes lie at data. */
static int restore_piece(struct restore_engine *e, const struct image_frame *f, const struct image_page_run *run,
			 uint64_t from, uint64_t to, const uint8_t *data, struct pidspace_error *err)
{
	struct image_page_run piece = {from, to - from, run->zero};
	struct image_frame g = *f;

	g.runs = &piece;
	g.n_runs = 1;
	g.data = run->zero ? data : data + (from - run->address);
	g.data_len = run->zero ? 0 : piece.bytes;
	return restore_pages(e, &g, err);
}

/* Of a piece that may wait, what was put there for the children. */
static int restore_written_over(struct restore_engine *e, const struct image_frame *f,
				const struct image_page_run *run, uint64_t from, uint64_t to, const uint8_t *data,
				struct pidspace_error *err)
{
	const struct page_list *had = &e->held[f->space_id - 1];
	int r = 0;

	vec_each(span, &had->span) {
		uint64_t a = span->start > from ? span->start : from, b = span->end < to ? span->end : to;
		if (r == 0 && a < b)
			r = restore_piece(e, f, run, a, b, data, err);
	}
	return r;
}

/* The pieces of one run that cannot wait. */
static int restore_part(struct restore_engine *e, const struct image_frame *f, const struct image_page_run *run,
			const uint8_t *data, struct pidspace_error *err)
{
	const AddressSpace *m = e->mms.at[f->space_id - 1];
	uint64_t end = run->address + run->bytes;
	int r = 0;

	for (size_t i = vma_from(m, run->address); i < m->n_vma && m->vma[i]->start < end && r == 0; i++) {
		const Vma *v = m->vma[i];
		uint64_t from = v->start > run->address ? v->start : run->address, to = v->end < end ? v->end : end;
		r = can_wait(v) ? restore_written_over(e, f, run, from, to, data, err)
				: restore_piece(e, f, run, from, to, data, err);
	}
	return r;
}

int restore_lazy_pages(struct restore_engine *e, const struct image_frame *f, struct pidspace_error *err)
{
	const uint8_t *data = f->data;
	int r = 0;

	if (e->when[e->next_entry - 1] == WHOLE_NOW)
		return restore_pages(e, f, err);
	for (size_t i = 0; i < f->n_runs && r == 0; i++) {
		r = restore_part(e, f, &f->runs[i], data, err);
		data += f->runs[i].zero ? 0 : f->runs[i].bytes;
	}
	return r;
}

/* --- userfaultfds --- */

/* Makes one in the process, by the device where it got one: in a user namespace the system call is refused. */
static int make_inside(struct restore_engine *e, struct restored *p, int process, struct pidspace_error *err)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	int device = restore_pool_uffd(e), r, fd = -1;
	struct batch b = {};

	if (device >= 0)
		BATCH_CALL(&b, "userfaultfd", SYS_ioctl, device, UFFD_IOC_NEW, flags);
	else
		BATCH_CALL(&b, "userfaultfd", SYS_userfaultfd, flags);
	r = batch_run(&p->t, &b, err);
	int inside = r == 0 ? (int)batch_result(&b, 0) : -1;
	batch_reset(&b);
	if (r == 0) {
		fd = sys_pidfd_getfd(process, inside);
		BATCH_CALL(&b, "close", SYS_close, inside);
		r = batch_run(&p->t, &b, err);
	}
	batch_done(&b);
	if (r == 0 && fd < 0)
		r = error_sys(err, fd, "cannot take over a userfaultfd");
	if (r < 0)
		fd_closep(&fd);
	return r < 0 ? r : fd;
}

/* As do_huge_pmd_anonymous_page() in mm/huge_memory.c decides at a fault. */
static bool may_be_huge(const struct restore_engine *e, const Vma *v)
{
	if (v->flags & VMA_FLAG__VMA_NOHUGEPAGE || !e->huge_pages)
		return false;
	return strstr(e->huge_pages, "[always]") ||
	       (v->flags & VMA_FLAG__VMA_HUGEPAGE && strstr(e->huge_pages, "[madvise]"));
}

static int add_range(const struct restore_engine *e, struct lazy_space *s, const Vma *v, struct pidspace_error *err)
{
	struct lazy_range *last = s->ranges.n ? &s->ranges.at[s->ranges.n - 1] : NULL, *r;

	if (last && last->end > v->start)
		return 0; /* an earlier entry lies in it too */
	r = vec_push(&s->ranges);
	if (!r)
		return error_sys(err, -ENOMEM, "cannot restore");
	*r = (struct lazy_range){v->start, v->end, may_be_huge(e, v)};
	int k = uffd_register(s->uffd, v->start, v->end);
	return k < 0 ? error_sys(err, k, "cannot watch memory %llx", (unsigned long long)v->start) : 0;
}

/* The space that waits for entries of this process, made at the first. */
static struct lazy_space *space_of(struct restore_engine *e, struct restored *p, struct pidspace_error *err)
{
	size_t n = e->lazy.spaces.n;
	struct lazy_space *s = n ? &e->lazy.spaces.at[n - 1] : NULL;

	if (s && s->id == p->mm->id)
		return s;
	s = vec_push(&e->lazy.spaces);
	if (!s) {
		error_sys(err, -ENOMEM, "cannot restore");
		return NULL;
	}
	*s = (struct lazy_space){.id = p->mm->id, .uffd = -1, .process = sys_pidfd_open(p->t.tgid.n, 0)};
	int r = s->process < 0 ? error_sys(err, s->process, "cannot reach process %d", p->p->pid) : 0;
	if (r == 0)
		r = s->uffd = make_inside(e, p, s->process, err);
	if (r >= 0 && (r = uffd_enable(s->uffd)) < 0)
		error_sys(err, r, "cannot follow the memory of process %d", p->p->pid);
	return r < 0 ? NULL : s;
}

static int by_place(const void *a, const void *b)
{
	const struct format_entry *x = *(const struct format_entry *const *)a;
	const struct format_entry *y = *(const struct format_entry *const *)b;

	if (x->space_id != y->space_id)
		return x->space_id < y->space_id ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static int register_entry(struct restore_engine *e, struct restored *p, const struct format_entry *x,
			  struct pidspace_error *err)
{
	const AddressSpace *m = p->mm;
	struct lazy_space *s = space_of(e, p, err);
	int r = s ? 0 : err->status;

	for (size_t i = vma_from(m, x->start); i < m->n_vma && m->vma[i]->start < x->end && r == 0; i++)
		if (can_wait(m->vma[i]))
			r = add_range(e, s, m->vma[i], err);
	return r;
}

static int register_all(struct restore_engine *e, struct pidspace_error *err)
{
	const struct image_index *x = e->o->lazy->index;
	_cleanup_free_ const struct format_entry **left = calloc(e->lazy.extents + 1, sizeof *left);
	_cleanup_free_ struct restored **owner = calloc(e->mms.n + 1, sizeof *owner);
	size_t n = 0;
	int r = 0;

	if (!left || !owner)
		return error_sys(err, -ENOMEM, "cannot restore");
	for (size_t i = 0; i < e->plan.n; i++)
		if (e->at[i].owns_mm && e->at[i].mm && restore_is_live(&e->at[i]))
			owner[e->at[i].mm->id - 1] = &e->at[i];
	for (size_t i = 0; i < image_index_count(x); i++)
		if (!e->lazy.here[i])
			left[n++] = image_index_entry(x, i);
	qsort(left, n, sizeof *left, by_place);
	/* A kernel without it gives none. */
	fd_slurp_at(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/enabled", &e->huge_pages, NULL);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct restored *p = owner[left[i]->space_id - 1];
		r = p ? register_entry(e, p, left[i], err)
		      : error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the index holds pages of nobody");
	}
	return r;
}

int restore_lazy_leave(struct restore_engine *e, struct pidspace_error *err)
{
	struct pidspace_error own;
	int r;

	if (!e->lazy.extents)
		return 0;
	err = err ? err : &own;
	r = register_all(e, err);
	if (r == 0)
		r = e->o->lazy->serve(e->o->lazy->arg, e->r->space, &e->lazy, err);
	vec_each(s, &e->lazy.spaces) { /* whoever serves has its own */
		fd_closep(&s->uffd);
		fd_closep(&s->process);
	}
	return r < 0 ? error_add(err, r, "leaving out memory") : 0;
}

/* --- what must be there though it may wait --- */

static bool touch(const struct tracee *t, uint64_t address, uint64_t *ret)
{
	return tracee_read(t, address, ret, sizeof *ret) == 0;
}

/* The kernel follows the list when the thread ends, and a task that is ending does not wait for pages
 * (handle_userfault() in fs/userfaultfd.c): it would leave its mutexes locked for ever. */
static void touch_robust_list(const struct tracee *t, uint64_t head)
{
	uint64_t entry, word, offset, pending;

	if (!touch(t, head, &entry) || !touch(t, head + 8, &offset) || !touch(t, head + 16, &pending))
		return;
	if (pending)
		touch(t, (pending & ~UINT64_C(1)) + offset, &word);
	for (int i = 0; i < ROBUST_LIMIT && (entry & ~UINT64_C(1)) != head; i++) {
		uint64_t at = entry & ~UINT64_C(1);
		if (!touch(t, at + offset, &word) || !touch(t, at, &entry))
			return;
	}
}

void restore_lazy_touch(struct restore_engine *e)
{
	uint64_t word;

	for (size_t i = 0; e->lazy.extents && i < e->plan.n; i++) {
		const struct restored *p = &e->at[i];
		for (size_t k = 0; restore_is_live(p) && k < p->p->n_thread; k++) {
			const Thread *th = p->p->thread[k];
			if (th->dead)
				continue;
			/* The word that pthread_join(3) waits for, likewise. */
			if (th->clear_child_tid)
				touch(&p->threads[k], th->clear_child_tid & ~UINT64_C(7), &word);
			if (th->robust_list)
				touch_robust_list(&p->threads[k], th->robust_list);
		}
	}
}

void restore_lazy_free(struct restore_engine *e)
{
	vec_each(s, &e->lazy.spaces) {
		fd_closep(&s->uffd);
		fd_closep(&s->process);
		vec_free(&s->ranges);
	}
	vec_free(&e->lazy.spaces);
	free(e->lazy.here);
	free(e->huge_pages);
	free(e->when);
	image_lens_free(e->lens);
}
