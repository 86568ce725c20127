/* Which pages make up the content of an address space, and which of them a child shares with the one it
 * was forked from. PAGEMAP_SCAN (Linux 6.7) gives ranges; /proc/PID/pagemap serves older kernels and
 * tells what is shared (bit 56: mapped here only). */
#include "checkpoint/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "kernel/sys.h"
#include "kinds/content.h"

#define PAGE 4096ULL
#define PM_PRESENT (UINT64_C(1) << 63)
#define PM_SWAP (UINT64_C(1) << 62)
#define PM_FILE (UINT64_C(1) << 61)
#define PM_EXCLUSIVE (UINT64_C(1) << 56)
#define PM_PFN ((UINT64_C(1) << 55) - 1)

int collect_add_run(page_runs *runs, uint64_t start, uint64_t end, bool before, bool alone)
{
	struct page_run *last = runs->n ? &runs->at[runs->n - 1] : NULL;

	if (last && last->end == start && last->before == before && last->alone == alone) {
		last->end = end;
		return 0;
	}
	struct page_run *r = vec_push(runs);
	if (!r)
		return -ENOMEM;
	*r = (struct page_run){.start = start, .end = end, .before = before, .alone = alone};
	return 0;
}

void collect_trim_runs(page_runs *runs)
{
	vec_trim(runs);
}

bool collect_covers(const page_runs *runs, uint64_t start, uint64_t end, bool only_alone)
{
	vec_each(run, runs)
		if (run->start <= start && run->end > start && (run->alone || !only_alone)) {
			if (run->end >= end)
				return true;
			start = run->end;
		}
	return false;
}

static bool has_own_pages(const Vma *v)
{
	if (v->kind == VMA_KIND__VMA_VDSO || v->kind == VMA_KIND__VMA_VVAR)
		return false;
	return !(v->flags & (VMA_FLAG__VMA_SHARED | COLLECT_WHOLE));
}

/* Cuts a range reported by the kernel to the private mappings. *at: where to go on looking. */
static int add_in_vmas(struct saved_mm *mm, size_t *at, uint64_t start, uint64_t end)
{
	AddressSpace *a = mm->m;

	while (*at < a->n_vma && a->vma[*at]->end <= start)
		(*at)++;
	for (size_t i = *at; i < a->n_vma && a->vma[i]->start < end; i++) {
		const Vma *v = a->vma[i];
		if (!has_own_pages(v))
			continue;
		int r = collect_add_run(&mm->pages, start > v->start ? start : v->start, end < v->end ? end : v->end, false,
				false);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A mapping of its own to write guards into: others may have the same one without. */
static Vma *unshare(struct saved_mm *mm, size_t i)
{
	Vma *v = mm->m->vma[i];

	if (v->n_guard)
		return v;
	Vma *own = malloc(sizeof *own), **slot = vec_push(&mm->own);
	char *name = v->name == (char *)protobuf_c_empty_string ? v->name : strdup(v->name);
	if (!own || !slot || !name) {
		mm->own.n -= slot != NULL;
		free(own);
		return NULL;
	}
	*own = *v;
	own->name = name;
	return *slot = mm->m->vma[i] = own;
}

static int note_guard(struct saved_mm *mm, size_t *at, uint64_t start, uint64_t end)
{
	const AddressSpace *a = mm->m;

	while (*at < a->n_vma && a->vma[*at]->end <= start)
		(*at)++;
	for (size_t i = *at; i < a->n_vma && a->vma[i]->start < end; i++) {
		Vma *v = unshare(mm, i);
		uint64_t *more = v ? reallocarray(v->guard, v->n_guard + 2, sizeof *more) : NULL;
		if (!more)
			return -ENOMEM;
		v->guard = more;
		uint64_t from = start > v->start ? start : v->start, to = end < v->end ? end : v->end;
		v->guard[v->n_guard++] = from / PAGE;
		v->guard[v->n_guard++] = (to - from) / PAGE;
	}
	return 0;
}

/* One answer of the kernel: a page that is guarded (MADV_GUARD_INSTALL) counts as swapped too. */
static int take_region(struct saved_mm *mm, const struct sys_page_region *g, size_t *at)
{
	if (g->categories & SYS_PAGE_IS_GUARD)
		return note_guard(mm, at, g->start, g->end);
	if (g->categories & (SYS_PAGE_IS_PFNZERO | SYS_PAGE_IS_FILE))
		return 0;
	return add_in_vmas(mm, at, g->start, g->end);
}

#define BIG ((uint64_t)4 << 20) /* bytes of a mapping that deserves a scan of its own */

/* guard: SYS_PAGE_IS_GUARD, or 0 for a kernel that does not tell (before 6.15 -EINVAL). file: SYS_PAGE_IS_FILE, or 0
 * where no page can be a file's: for that the kernel looks at each page, which takes four times as long as the page
 * tables alone. *at: where in the mappings. */
static int scan_between(struct saved_mm *mm, uint64_t start, uint64_t end, uint64_t guard, uint64_t file, size_t *at)
{
	const uint64_t content = SYS_PAGE_IS_PRESENT | SYS_PAGE_IS_SWAPPED;
	struct sys_page_region region[256];
	struct sys_pm_scan_arg arg = {
		.size = sizeof arg,
		.start = start,
		.end = end,
		.vec = (uint64_t)region,
		.vec_len = 256,
		.category_anyof_mask = content,
		.return_mask = content | SYS_PAGE_IS_PFNZERO | file | guard,
	};
	int r = 0;

	while (r == 0 && arg.start < arg.end) {
		int n = ioctl(mm->pagemap, SYS_PAGEMAP_SCAN, &arg);
		if (n < 0)
			return -errno;
		for (int i = 0; i < n && r == 0; i++)
			r = take_region(mm, &region[i], at);
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return r;
}

static bool is_big_anonymous(const Vma *v)
{
	return v->kind == VMA_KIND__VMA_ANONYMOUS && has_own_pages(v) && v->end - v->start >= BIG;
}

static int scan_pages(struct saved_mm *mm, uint64_t guard)
{
	const AddressSpace *a = mm->m;
	uint64_t done = 0;
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; i < a->n_vma && r == 0; i++) {
		const Vma *v = a->vma[i];
		if (!is_big_anonymous(v))
			continue;
		r = scan_between(mm, done, v->start, guard, SYS_PAGE_IS_FILE, &at);
		if (r == 0)
			r = scan_between(mm, v->start, v->end, guard, 0, &at);
		done = v->end;
	}
	return r == 0 && a->n_vma
		       ? scan_between(mm, done, a->vma[a->n_vma - 1]->end, guard, SYS_PAGE_IS_FILE, &at)
		       : r;
}

static int read_pagemap(const struct saved_mm *mm, uint64_t start, size_t pages, uint64_t *ret)
{
	ssize_t n = fd_pread_all(mm->pagemap, ret, pages * 8, (off_t)(start / PAGE * 8));

	return n == (ssize_t)(pages * 8) ? 0 : n < 0 ? (int)n : -EIO;
}

static int walk_pagemap(struct saved_mm *mm)
{
	uint64_t entry[4096];

	for (size_t i = 0; i < mm->m->n_vma; i++) {
		const Vma *v = mm->m->vma[i];
		if (!has_own_pages(v))
			continue;
		for (uint64_t a = v->start; a < v->end;) {
			size_t n = (v->end - a) / PAGE < 4096 ? (v->end - a) / PAGE : 4096;
			int r = read_pagemap(mm, a, n, entry);
			for (size_t k = 0; k < n && r == 0; k++, a += PAGE)
				if (entry[k] & (PM_PRESENT | PM_SWAP) && !(entry[k] & PM_FILE))
					r = collect_add_run(&mm->pages, a, a + PAGE, false, false);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int open_proc_of(const struct saved_mm *mm, const char *name)
{
	char path[64];

	if (mm->owner->first == mm->owner->leader)
		snprintf(path, sizeof path, "%d/%s", mm->owner->leader->tgid.n, name);
	else
		snprintf(path, sizeof path, "%d/task/%d/%s", mm->owner->leader->tgid.n, mm->owner->first->tid.n, name);
	int fd = openat(mm->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof path, "%d/%s", mm->owner->first->tid.n, name);
	fd = openat(mm->proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opened when first needed, by whichever thread needs it first: most are read in other ways. */
static int mem_of(struct saved_mm *mm)
{
	int none = -1, fd = __atomic_load_n(&mm->mem, __ATOMIC_ACQUIRE);

	if (fd >= 0)
		return fd;
	fd = open_proc_of(mm, "mem");
	if (fd < 0 || __atomic_compare_exchange_n(&mm->mem, &none, fd, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return fd;
	close(fd);
	return none;
}

int collect_read(struct saved_mm *mm, uint64_t address, void *buf, size_t n)
{
	int fd = mem_of(mm);

	if (fd < 0)
		return fd;
	ssize_t k = fd_pread_all(fd, buf, n, (off_t)address);
	return k == (ssize_t)n ? 0 : k < 0 ? (int)k : -EFAULT;
}

/* --- what a child shares --- */

/* What was read of a parent's page map: its next child will ask for the same. */
#define ASKED 16
struct asked {
	const struct saved_mm *of;
	uint64_t start, entry[512];
	size_t n;
};

struct compare {
	struct saved_mm *child, *parent;
	uint64_t mine[512];
	uint64_t orphan[512]; /* orphan_page.frame, 0: it is none */
	struct asked asked[ASKED];
	unsigned oldest;
	bool alone[512];
	uint8_t *a, *b; /* 512 pages each */
};

static bool maybe_shared(uint64_t e)
{
	return (e & PM_PRESENT) && !(e & (PM_EXCLUSIVE | PM_FILE));
}

/* Is address inside a mapping of the parent that a child inherits? */
static bool parent_lends(const struct saved_mm *p, uint64_t address)
{
	size_t lo = 0, hi = p->m->n_vma;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const Vma *v = p->m->vma[mid];
		if (address >= v->end)
			lo = mid + 1;
		else if (address < v->start)
			hi = mid;
		else
			return has_own_pages(v);
	}
	return false;
}

/* Reads the same pages of child and parent into c->a and c->b. */
static bool read_both(struct compare *c, uint64_t start, size_t n)
{
	return collect_read(c->child, start, c->a, n * PAGE) == 0 &&
	       collect_read(c->parent, start, c->b, n * PAGE) == 0;
}

static int ask_parent(struct compare *c, uint64_t start, size_t n, const uint64_t **ret)
{
	for (unsigned i = 0; i < ASKED; i++) {
		const struct asked *a = &c->asked[i];
		if (a->of == c->parent && a->start == start && a->n >= n) {
			*ret = a->entry;
			return 0;
		}
	}
	struct asked *a = &c->asked[c->oldest++ % ASKED];
	*ret = a->entry;
	a->of = c->parent;
	a->start = start;
	a->n = n;
	int r = read_pagemap(c->parent, start, n, a->entry);
	if (r < 0)
		a->of = NULL;
	return r;
}

/* Who may not see page frames tells them apart by what is in them. 0: cannot be read. */
static uint64_t hash_of(struct compare *c, uint64_t address)
{
	const uint64_t *word = (const uint64_t *)c->a;
	uint64_t h = 0;

	if (collect_read(c->child, address, c->a, PAGE) < 0)
		return 0;
	for (size_t i = 0; i < PAGE / sizeof *word; i++) {
		h = (h ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return h | ORPHAN_HASH;
}

/* Compares up to 512 pages at start; same[i] tells which are the parent's. */
static int compare_pages(struct compare *c, uint64_t start, size_t n, bool *same)
{
	int r = read_pagemap(c->child, start, n, c->mine);
	const uint64_t *theirs;
	bool any = false, all;

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		c->alone[i] = c->mine[i] & PM_EXCLUSIVE;
		c->orphan[i] = 0;
		same[i] = false;
		any |= maybe_shared(c->mine[i]);
	}
	if (!any)
		return 0;
	any = false;
	r = ask_parent(c, start, n, &theirs);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint64_t m = c->mine[i], t = theirs[i];
		bool lends = maybe_shared(m) && parent_lends(c->parent, start + i * PAGE);
		same[i] = lends && maybe_shared(t);
		if (lends && (t & PM_PRESENT) && (t & PM_EXCLUSIVE))
			c->orphan[i] = m & PM_PFN ? m & PM_PFN : hash_of(c, start + i * PAGE);
		/* With the privilege to see page frames there is nothing to compare. */
		if (same[i] && (m & PM_PFN) && (t & PM_PFN)) {
			same[i] = (m & PM_PFN) == (t & PM_PFN);
			c->mine[i] = 0;
			continue;
		}
		any |= same[i];
	}
	if (!any)
		return 0;
	/* The parent may lack some of the range; then page by page. */
	all = read_both(c, start, n);
	for (size_t i = 0; i < n; i++) {
		size_t at = all ? i * PAGE : 0;
		if (same[i] && c->mine[i])
			same[i] = (all || read_both(c, start + i * PAGE, 1)) &&
				  !memcmp(c->a + at, c->b + at, PAGE);
	}
	return 0;
}

static int note_orphan(struct saved_mm *mm, uint64_t address, uint64_t frame)
{
	struct orphan_page *o = vec_push(&mm->orphans);

	if (!o)
		return -ENOMEM;
	*o = (struct orphan_page){address, frame, false};
	return 0;
}

static int split_child(struct compare *c)
{
	struct saved_mm *mm = c->child;
	page_runs all = mm->pages;
	bool same[512];
	int r = 0;

	mm->pages = (page_runs){};
	vec_each(run, &all) {
		for (uint64_t a = run->start; a < run->end && r == 0;) {
			size_t n = (run->end - a) / PAGE < 512 ? (run->end - a) / PAGE : 512;
			r = compare_pages(c, a, n, same);
			for (size_t i = 0; i < n && r == 0; i++, a += PAGE) {
				if (c->orphan[i])
					r = note_orphan(mm, a, c->orphan[i]);
				if (r < 0)
					break;
				r = same[i] ? collect_add_run(&mm->inherited, a, a + PAGE, false, false)
					    : collect_add_run(&mm->pages, a, a + PAGE, run->before, c->alone[i]);
			}
		}
	}
	vec_free(&all);
	return r;
}

/* Marks what children take over as needed before they are cloned: splits the parent's runs at the
 * borders of `needs`. What the parent itself inherits is there already. */
static int mark_before(struct saved_mm *mm, const page_runs *needs)
{
	page_runs out = {};
	size_t k = 0;

	vec_each(run, &mm->pages) {
		uint64_t a = run->start;
		if (run->before) {
			struct page_run *o = vec_push(&out);
			if (!o)
				return -ENOMEM;
			*o = *run;
			continue;
		}
		while (k && needs->at[k - 1].end > a)
			k--;
		while (a < run->end) {
			while (k < needs->n && needs->at[k].end <= a)
				k++;
			bool in = k < needs->n && needs->at[k].start <= a;
			uint64_t stop = in ? needs->at[k].end : k < needs->n ? needs->at[k].start : run->end;
			struct page_run *o = vec_push(&out);
			if (!o)
				return -ENOMEM;
			*o = (struct page_run){a, stop < run->end ? stop : run->end, NULL, in, run->alone, false};
			a = o->end;
		}
	}
	vec_free(&mm->pages);
	mm->pages = out;
	return 0;
}

int collect_note_inherited(struct saved_mm *mm)
{
	mm->m->inherit = calloc(mm->inherited.n * 2 + 1, sizeof *mm->m->inherit);
	if (!mm->m->inherit)
		return -ENOMEM;
	vec_each(run, &mm->inherited) {
		mm->m->inherit[mm->m->n_inherit++] = run->start / PAGE;
		mm->m->inherit[mm->m->n_inherit++] = (run->end - run->start) / PAGE;
	}
	return 0;
}

/* Per worker, made when first needed. */
struct splitting {
	struct save_engine *e;
	struct compare *of[PARALLEL_MAX];
	int *error; /* by mms */
};

static struct compare *compare_of(struct splitting *sp, unsigned worker)
{
	struct compare *c = sp->of[worker];

	if (c)
		return c;
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->a = malloc(512 * PAGE);
	c->b = malloc(512 * PAGE);
	if (!c->a || !c->b) {
		free(c->a);
		free(c->b);
		free(c);
		return NULL;
	}
	return sp->of[worker] = c;
}

static void split_one(void *arg, size_t i, unsigned worker)
{
	struct splitting *sp = arg;
	struct saved_mm *mm = sp->e->mms.at[i];

	if (!mm->parent)
		return;
	struct compare *c = compare_of(sp, worker);
	if (!c) {
		sp->error[i] = -ENOMEM;
		return;
	}
	c->child = mm;
	c->parent = mm->parent;
	sp->error[i] = split_child(c);
	collect_trim_runs(&mm->pages);
	collect_trim_runs(&mm->inherited);
	vec_trim(&mm->orphans);
}

static int share_with_parents(struct save *s)
{
	struct save_engine *e = s->engine;
	struct splitting sp = {.e = e, .error = calloc(e->mms.n + 1, sizeof *sp.error)};
	int r = 0;

	if (!sp.error)
		return -ENOMEM;
	parallel_for(e->mms.n, 8, split_one, &sp);
	for (size_t i = 0; i < e->mms.n && r == 0; i++)
		r = sp.error[i];
	/* A page that goes down two generations is not among its parent's own pages any more, but among those
	 * of the one above, where that parent marks it. */
	for (size_t i = 0; i < e->mms.n && r == 0; i++) {
		struct saved_mm *mm = e->mms.at[i];
		if (mm->parent && mm->inherited.n)
			r = mark_before(mm->parent, &mm->inherited);
	}
	if (r == 0)
		r = collect_siblings(s);
	vec_each(slot, &e->mms)
		collect_trim_runs(&(*slot)->pages);
	for (unsigned i = 0; i < PARALLEL_MAX; i++) {
		if (!sp.of[i])
			continue;
		free(sp.of[i]->a);
		free(sp.of[i]->b);
		free(sp.of[i]);
	}
	free(sp.error);
	return r;
}

static int by_start(const void *a, const void *b)
{
	const struct page_run *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int by_stack(const void *a, const void *b)
{
	const struct saved_mm *x = *(struct saved_mm *const *)a, *y = *(struct saved_mm *const *)b;

	return x->m->start_stack < y->m->start_stack ? -1 : x->m->start_stack > y->m->start_stack;
}

/* Address spaces that may share pages with another (forked, no exec since). Pinning such pages to read
 * them (process_vm_readv) would unshare them: mm/gup.c gup_must_unshare(). */
static int find_families(struct save *s)
{
	size_t n = s->engine->mms.n;
	struct saved_mm **by = malloc((n + 1) * sizeof *by);

	if (!by)
		return -ENOMEM;
	if (n) {
		memcpy(by, s->engine->mms.at, n * sizeof *by);
		qsort(by, n, sizeof *by, by_stack);
	}
	for (size_t i = 0; i + 1 < n; i++)
		if (by[i]->m->start_stack == by[i + 1]->m->start_stack)
			by[i]->has_family = by[i + 1]->has_family = true;
	free(by);
	return 0;
}

struct scanning {
	struct save_engine *e;
	int *error; /* by mms */
};

static void scan_one(void *arg, size_t i, unsigned worker)
{
	struct scanning *sc = arg;
	struct saved_mm *mm = sc->e->mms.at[i];
	int r;

	mm->pagemap = open_proc_of(mm, "pagemap");
	r = mm->pagemap < 0 ? mm->pagemap : scan_pages(mm, SYS_PAGE_IS_GUARD);
	if (r == -EINVAL)
		r = scan_pages(mm, 0);
	if (r == -ENOTTY || r == -EINVAL)
		r = walk_pagemap(mm);
	/* Whole mappings were noted before (collect_maps.c). */
	if (mm->pages.n)
		qsort(mm->pages.at, mm->pages.n, sizeof *mm->pages.at, by_start);
	collect_trim_runs(&mm->pages);
	sc->error[i] = r;
}

int collect_pages(struct save *s, struct pidspace_error *err)
{
	struct save_engine *e = s->engine;
	struct scanning sc = {.e = e, .error = calloc(e->mms.n + 1, sizeof *sc.error)};
	int r = sc.error ? find_families(s) : -ENOMEM;

	if (r == 0)
		parallel_for(e->mms.n, 8, scan_one, &sc);
	for (size_t i = 0; i < e->mms.n && r == 0; i++)
		if (sc.error[i] < 0)
			r = error_sys(err, sc.error[i], "cannot read the page map of process %d",
				      e->mms.at[i]->owner->m->pid);
	free(sc.error);
	if (r == 0) {
		r = share_with_parents(s);
		if (r < 0)
			error_sys(err, r, "cannot compare pages");
	}
	if (r == 0)
		r = collect_earlier(s, err);
	vec_each(p, &e->mms) {
		vec_each(run, &(*p)->pages)
			(*p)->bytes += run->earlier ? 0 : run->end - run->start;
		vec_each(run, &(*p)->for_children)
			(*p)->bytes += run->end - run->start;
	}
	return r;
}
