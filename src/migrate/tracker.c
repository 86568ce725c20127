#include "migrate/tracker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "tracee/batch.h"

#define PAGE UINT64_C(4096)
#define REGIONS 512
#define SCRATCH (SCRATCH_CODE + SCRATCH_SLOT)
#define STEP ((uint64_t)8 << 20) /* bytes that are let go at a time: a quarter of a millisecond */
#define TASK_TOP 0x7ffffffff000ULL

static int open_proc(const struct tracker *t, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "%d/%s", t->pid.n, name);
	int fd = openat(t->proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_maps(const struct tracker *t, struct proc_maps *ret)
{
	char path[64], *text;

	snprintf(path, sizeof path, "%d/maps", t->pid.n);
	int r = fd_slurp_at(t->proc_fd, path, &text, NULL);
	return r < 0 ? r : proc_maps_parse(text, ret);
}

static int add_range(page_ranges *l, uint64_t start, uint64_t end)
{
	struct page_range *last = l->n ? &l->at[l->n - 1] : NULL;

	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	struct page_range *r = vec_push(l);
	if (!r)
		return -ENOMEM;
	*r = (struct page_range){start, end};
	return 0;
}

/* --- entering --- */

/* The process makes the descriptor, we take a duplicate, it closes its own. It never runs with it: should we
 * die before it is closed, it closes it all the same before it goes on. */
static int make_inside(struct tracee *t, const struct frozen_task *k, int *ret_fd, struct pidspace_error *err)
{
	struct batch b = {};
	int make = BATCH_CALL(&b, "userfaultfd", SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	batch_may_fail(&b, make);
	int meeting = batch_meet(&b, t, k->tgid, k->tid);
	int shut = BATCH_CALL(&b, "close", SYS_close, 0);
	batch_use(&b, shut, 0, make);
	batch_may_fail(&b, shut);
	int r = batch_start(t, &b, err);
	if (r == 0)
		r = batch_wait_meeting(t, &b, meeting, err);
	if (r == 0) {
		int64_t inside = batch_result(&b, make);
		_cleanup_close_ int pidfd = sys_pidfd_open(t->tgid.n, 0);
		*ret_fd = inside < 0 ? (int)inside : pidfd < 0 ? pidfd : sys_pidfd_getfd(pidfd, (int)inside);
		batch_go_on(t);
		r = batch_finish(t, &b, err);
	}
	batch_done(&b);
	if (r == 0 && *ret_fd < 0)
		r = error_sys(err, *ret_fd, "userfaultfd for process %d", k->tgid.n);
	return r;
}

static int work_inside(struct tracee *t, const struct frozen_task *k, int *ret_fd, struct pidspace_error *err)
{
	uint64_t scratch;
	int r = scratch_map(t, SCRATCH, &scratch, err);

	if (r < 0)
		return r;
	r = make_inside(t, k, ret_fd, err);
	if (t->state != TRACEE_STOPPED)
		return r;
	/* The way home from a batch lies in the memory that goes now. */
	if (t->worked_in)
		tracee_lay(t);
	int q = scratch_unmap(t, scratch, SCRATCH, r < 0 ? NULL : err);
	return r < 0 ? r : q;
}

static int set_up(struct tracker *t)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = SYS_UFFD_FEATURE_WP_UNPOPULATED | SYS_UFFD_FEATURE_WP_ASYNC,
	};

	return ioctl(t->uffd, UFFDIO_API, &api) < 0 ? -ENOTSUP : 0;
}

/* Where we may not look, or where a filter of system calls would take offence, nothing is done. */
static int may_enter(const struct tracker *t, const struct frozen_task *k, const struct proc_status *st)
{
	return t->pagemap < 0 ? t->pagemap : st->seccomp || k->t.regs.cs != 0x33 ? -ENOTSUP : 0;
}

static int enter(struct tracker *t, struct frozen_task *k, struct guard_cache *c, struct pidspace_error *err)
{
	struct proc_status status;
	struct proc_maps maps;
	int r = proc_status_read(t->proc_fd, k->tgid.n, k->tid.n, &status);

	if (r < 0)
		return r;
	k->t.done_signal = guard_quiet_signal(&status);
	r = may_enter(t, k, &status);
	proc_status_done(&status);
	if (r == 0)
		r = read_maps(t, &maps);
	if (r < 0)
		return r;
	guard_prepare(c, &k->t, &maps);
	proc_maps_done(&maps);
	r = work_inside(&k->t, k, &t->uffd, err);
	return r == 0 ? set_up(t) : r;
}

int tracker_enter(struct tracker **ret, const struct space *s, struct frozen_task *k, struct guard_cache *c,
		  uint32_t id, uint64_t least, struct pidspace_error *err)
{
	struct tracker *t = calloc(1, sizeof *t);
	struct proc_stat st;
	int r;

	if (!t)
		return -ENOMEM;
	*t = (struct tracker){.id = id, .pid = k->tgid, .host = k->t.tgid, .proc_fd = s->proc_fd, .uffd = -1,
			      .mem = -1, .least = least};
	t->pagemap = open_proc(t, "pagemap");
	r = proc_stat_read(s->proc_fd, k->tgid.n, 0, &st);
	if (r == 0) {
		t->start_ticks = st.start_ticks;
		t->stack = st.start_stack;
		r = enter(t, k, c, err);
	}
	if (r < 0)
		tracker_leave(t);
	else
		*ret = t;
	return r;
}

/* --- looking --- */

/* Adds what a scan with these categories reports of [start, end). */
static int scan_range(int pagemap, struct sys_pm_scan_arg arg, uint64_t start, uint64_t end, page_ranges *out)
{
	struct sys_page_region region[REGIONS];
	int r = 0;

	arg.size = sizeof arg;
	arg.start = start;
	arg.end = end;
	arg.vec = (uint64_t)region;
	arg.vec_len = REGIONS;
	arg.return_mask = arg.return_mask ? arg.return_mask : SYS_PAGE_IS_WPALLOWED;
	while (r == 0 && arg.start < arg.end) {
		int n = ioctl(pagemap, SYS_PAGEMAP_SCAN, &arg);
		if (n < 0)
			return -errno;
		for (int i = 0; i < n && r == 0; i++)
			r = add_range(out, region[i].start, region[i].end);
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return r;
}

/* Pages that have content of their own, in mappings that are registered. */
static struct sys_pm_scan_arg with_content(void)
{
	return (struct sys_pm_scan_arg){
		.category_inverted = SYS_PAGE_IS_PFNZERO,
		.category_mask = SYS_PAGE_IS_PFNZERO | SYS_PAGE_IS_WPALLOWED,
		.category_anyof_mask = SYS_PAGE_IS_PRESENT | SYS_PAGE_IS_SWAPPED,
	};
}

static bool may_watch(const struct tracker *t, const struct proc_map *m)
{
	return !m->ino && !(m->flags & PROC_MAP_SHARED) && m->end - m->start >= t->least &&
	       m->end <= TASK_TOP && strncmp(m->name, "[v", 2) && strcmp(m->name, "[uprobes]");
}

/* Asked of its first page: a mapping is registered as a whole. If it is cut up while we look, a part may be
 * taken for registered that is not; a scan passes over that, and it stays dirty. */
static bool is_registered(int pagemap, uint64_t start)
{
	struct sys_pm_scan_arg arg = {.category_mask = SYS_PAGE_IS_WPALLOWED};
	page_ranges found = {};
	bool yes = scan_range(pagemap, arg, start, start + PAGE, &found) == 0 && found.n;

	vec_free(&found);
	return yes;
}

static int register_range(const struct tracker *t, uint64_t start, uint64_t end)
{
	struct uffdio_register reg = {.range = {start, end - start}, .mode = UFFDIO_REGISTER_MODE_WP};

	return ioctl(t->uffd, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

static int scan_mapping(struct tracker *t, const struct proc_map *m)
{
	struct sys_pm_scan_arg arg = with_content();

	arg.flags = SYS_PM_SCAN_WP_MATCHING;
	if (is_registered(t->pagemap, m->start)) {
		arg.category_mask |= SYS_PAGE_IS_WRITTEN;
	} else {
		/* Registered from now on: every page counts, whatever protection it has brought along. One that
		 * cannot be registered (it has gone, or the program watches it itself) is none of ours. */
		if (register_range(t, m->start, m->end) < 0)
			return 0;
		t->registered = true;
	}
	return scan_range(t->pagemap, arg, m->start, m->end, &t->dirty);
}

static int by_start(const void *a, const void *b)
{
	const struct page_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorted and disjoint, as ranges from two sources need not be. */
static void normalize(page_ranges *l)
{
	size_t n = 0;

	if (l->n)
		qsort(l->at, l->n, sizeof *l->at, by_start);
	for (size_t i = 0; i < l->n; i++) {
		struct page_range *r = &l->at[i], *last = n ? &l->at[n - 1] : NULL;
		if (last && r->start <= last->end)
			last->end = r->end > last->end ? r->end : last->end;
		else
			l->at[n++] = *r;
	}
	l->n = n;
}

int tracker_scan(struct tracker *t)
{
	struct proc_maps maps;
	int r = read_maps(t, &maps);

	t->dirty.n = 0;
	if (r < 0)
		return r;
	vec_each(m, &maps.map)
		if (r == 0 && may_watch(t, m))
			r = scan_mapping(t, m);
	proc_maps_done(&maps);
	/* Another attempt at what was missed; what does not exist any more will be missed again. */
	vec_each(m, &t->missed)
		if (r == 0)
			r = add_range(&t->dirty, m->start, m->end);
	if (r == 0 && t->missed.n)
		normalize(&t->dirty);
	t->missed.n = 0;
	return r;
}

bool tracker_holds(const struct tracker *t)
{
	struct sys_page_region region;
	struct sys_pm_scan_arg arg = {
		.size = sizeof arg, .end = TASK_TOP, .vec = (uint64_t)&region, .vec_len = 1, .max_pages = 1,
		.category_mask = SYS_PAGE_IS_WPALLOWED, .return_mask = SYS_PAGE_IS_WPALLOWED,
	};
	_cleanup_close_ int fresh = open_proc(t, "pagemap");

	return fresh >= 0 && (!t->registered || ioctl(fresh, SYS_PAGEMAP_SCAN, &arg) > 0);
}

/* Takes what was missed out of the ranges. */
static int without_missed(const struct tracker *t, const page_ranges *all, page_ranges *ret)
{
	size_t k = 0;
	int r = 0;

	vec_each(range, all) {
		uint64_t at = range->start;
		while (at < range->end && r == 0) {
			while (k < t->missed.n && t->missed.at[k].end <= at)
				k++;
			const struct page_range *m = k < t->missed.n ? &t->missed.at[k] : NULL;
			uint64_t stop = m && m->start < range->end ? m->start : range->end;
			if (stop > at)
				r = add_range(ret, at, stop);
			at = m && m->start < range->end ? m->end : range->end;
		}
	}
	return r;
}

/* Asking for written pages and nothing else is the one question that the kernel answers from page tables alone
 * (fs/proc/task_mmu.c pagemap_scan_pmd_entry()). Where there is no page that counts as written too. */
static int unchanged_in(int pagemap, uint64_t start, uint64_t end, page_ranges *ret)
{
	struct sys_pm_scan_arg arg = {.category_mask = SYS_PAGE_IS_WRITTEN, .return_mask = SYS_PAGE_IS_WRITTEN};
	page_ranges written = {};
	uint64_t at = start;
	int r = scan_range(pagemap, arg, start, end, &written);

	vec_each(w, &written) {
		if (r == 0 && w->start > at)
			r = add_range(ret, at, w->start);
		at = w->end;
	}
	vec_free(&written);
	return r == 0 && at < end ? add_range(ret, at, end) : r;
}

int tracker_unchanged(const struct tracker *t, int pagemap, page_ranges *ret)
{
	struct proc_maps maps;
	page_ranges all = {};
	int r = read_maps(t, &maps);

	if (r < 0)
		return r;
	vec_each(m, &maps.map)
		if (r == 0 && may_watch(t, m) && is_registered(pagemap, m->start))
			r = unchanged_in(pagemap, m->start, m->end, &all);
	proc_maps_done(&maps);
	if (r == 0)
		r = without_missed(t, &all, ret);
	vec_free(&all);
	return r;
}

bool tracker_watches(const struct tracker *t, uint64_t start, uint64_t end)
{
	/* Of another's userfaultfd the kernel says EBUSY, of our own that all is well (userfaultfd_register()). */
	return t->registered && register_range(t, start, end) == 0;
}

int tracker_miss(struct tracker *t, uint64_t start, uint64_t end)
{
	int r = add_range(&t->missed, start, end);

	normalize(&t->missed);
	return r;
}

int tracker_read(struct tracker *t, uint64_t address, void *buf, size_t n)
{
	if (t->mem < 0)
		t->mem = open_proc(t, "mem");
	if (t->mem < 0)
		return t->mem;
	ssize_t got = fd_pread_all(t->mem, buf, n, (off_t)address);
	return got == (ssize_t)n ? 0 : got < 0 ? (int)got : -EFAULT;
}

/* --- leaving --- */

/* Closing alone would walk all page tables under the lock that every page fault needs. What is let go joins
 * the piece before it, so that the mapping is in two at most meanwhile. */
static void let_go(const struct tracker *t, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end; at += STEP) {
		struct uffdio_range range = {at, end - at < STEP ? end - at : STEP};
		if (ioctl(t->uffd, UFFDIO_UNREGISTER, &range) < 0)
			return;
	}
}

void tracker_leave(struct tracker *t)
{
	struct proc_maps maps;

	if (!t)
		return;
	if (t->registered && read_maps(t, &maps) == 0) {
		vec_each(m, &maps.map)
			if (may_watch(t, m))
				let_go(t, m->start, m->end);
		proc_maps_done(&maps);
	}
	fd_closep(&t->uffd);
	fd_closep(&t->pagemap);
	fd_closep(&t->mem);
	vec_free(&t->dirty);
	vec_free(&t->missed);
	free(t);
}
