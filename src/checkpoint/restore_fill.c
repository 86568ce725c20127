/* Bytes from the image into the processes' memory, by several threads at once: making pages is what
 * takes the time of a restore, and each processor makes its own.
 *
 *     caller ── large frames whose data was left for later ──► ring ──► threads: read, check, decompress, put in
 *     caller ── all other frames: puts them in itself
 *
 * Where a process shall have small pages they are put in by UFFDIO_COPY: one page, made, filled and mapped
 * at once, costs half of what writing through process_vm_writev(2) does, which faults it in empty first.
 * That needs a userfaultfd of the process, opened in its name. While one watches a mapping a page
 * that is not there can only come through it; so it is closed before anything else is done with the process. Where
 * the kernel would give huge pages (madvise(2) MADV_HUGEPAGE) that would undo them: there, in mappings of
 * files, and without userfaultfd(2), bytes are written. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/index.h"
#include "image/pool.h"
#include "kernel/sys.h"
#include "kinds/content.h"

#define PAGE 4096ULL
#define THREADS_MAX 8u
#define RING (4 * THREADS_MAX)
#define AT_ONCE 4u /* frames that a thread takes, at most */
#define HUGE_PAGE ((uint64_t)2 << 20)
#define RUNS_AT_ONCE 512 /* IOV_MAX is 1024 */
/* Smaller mappings are not worth a call to watch them. */
#define WATCH_AT_LEAST (256ULL << 10)

struct restore_fill {
	struct restore_engine *e;
	const struct restored *to;     /* whose memory it is at present; NULL: files */
	uint32_t phase;
	bool asked;                    /* for a userfaultfd of that process */
	int uffd;                      /* or -1 */
	VEC(struct page_span) watched; /* by it, rising */
	struct image_lens *own;        /* the caller's, when there are no threads */
	bool huge_everywhere;          /* mappings get huge pages unless they say they want none */

	struct crew crew;
	/* under its lock */
	uint64_t given, taken, finished; /* frames, ever */
	struct given_frame {
		struct image_frame f;
		uint64_t first, last;  /* huge pages that it begins and ends in */
	} ring[RING];
	struct pidspace_error error;   /* status 0: none. The first one stays */
};

/* --- putting bytes in --- */

/* Through /proc/PID/mem, which does not ask for write permission of the mapping. */
static int write_slowly(const struct restore_fill *f, uint64_t address, const uint8_t *data, size_t n)
{
	char path[32];

	snprintf(path, sizeof path, "%d/mem", f->to->p->pid);
	_cleanup_close_ int fd = openat(f->e->r->space->proc_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (n) {
		ssize_t k = pwrite(fd, data, n, (off_t)address);
		if (k <= 0)
			return k < 0 ? -errno : -EIO;
		data += k;
		address += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

static int write_runs(const struct restore_fill *f, const struct iovec *remote, size_t n, const uint8_t *data,
		      size_t bytes)
{
	struct iovec local = {(void *)data, bytes};
	int r = 0;

	if (!n || process_vm_writev(f->to->t.tid.n, &local, 1, remote, n, 0) == (ssize_t)bytes)
		return 0;
	for (size_t i = 0; i < n && r == 0; data += remote[i++].iov_len)
		r = write_slowly(f, (uint64_t)remote[i].iov_base, data, remote[i].iov_len);
	return r;
}

/* New pages of a watched mapping. One that is there already (inherited, to be changed) is written to. What the
 * image calls one mapping may still be several here, and a copy lies in one of them (ENOENT). */
static int copy_pages(const struct restore_fill *f, uint64_t address, const uint8_t *data, size_t n)
{
	size_t step = n;

	while (n) {
		struct uffdio_copy c = {.dst = address, .src = (uint64_t)data, .len = step,
					.mode = UFFDIO_COPY_MODE_DONTWAKE};
		int failed = ioctl(f->uffd, UFFDIO_COPY, &c) < 0 ? errno : 0;
		size_t done = c.copy > 0 ? (size_t)c.copy : 0;
		if (failed == ENOENT && step > PAGE) {
			step = step / 2 & ~(PAGE - 1);
			continue;
		}
		if (failed && !done && failed != EAGAIN) {
			struct iovec page = {(void *)address, PAGE};
			int r = failed == EEXIST ? write_runs(f, &page, 1, data, PAGE) : -failed;
			if (r < 0)
				return r;
			done = PAGE;
		}
		address += done;
		data += done;
		n -= done;
		step = n;
	}
	return 0;
}

/* How many of n bytes at an address are alike, watched or not. */
static size_t alike(const struct restore_fill *f, uint64_t address, size_t n, bool *ret_watched)
{
	size_t lo = 0, hi = f->watched.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (f->watched.at[mid].end <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	const struct page_span *s = lo < f->watched.n ? &f->watched.at[lo] : NULL;
	*ret_watched = s && s->start <= address;
	uint64_t end = !s ? address + n : *ret_watched ? s->end : s->start;
	return end - address < n ? end - address : n;
}

static int put_runs(const struct restore_fill *f, const struct image_frame *frame)
{
	struct iovec remote[RUNS_AT_ONCE];
	const uint8_t *data = frame->data, *unwritten = data;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < frame->n_runs && r == 0; i++) {
		uint64_t address = frame->runs[i].address, left = frame->runs[i].zero ? 0 : frame->runs[i].bytes;
		while (left && r == 0) {
			bool watched;
			size_t k = alike(f, address, left, &watched);
			if (watched || n == RUNS_AT_ONCE) {
				r = write_runs(f, remote, n, unwritten, (size_t)(data - unwritten));
				n = 0;
				unwritten = data;
			}
			if (!watched)
				remote[n++] = (struct iovec){(void *)address, k};
			else if (r == 0)
				r = copy_pages(f, address, data, k);
			address += k;
			data += k;
			left -= k;
			if (watched)
				unwritten = data;
		}
	}
	return r < 0 ? r : write_runs(f, remote, n, unwritten, (size_t)(data - unwritten));
}

static int put(const struct restore_fill *f, const struct image_frame *frame, struct pidspace_error *err)
{
	if (!f->to)
		return content_pages(f->e->r, frame, err);
	int r = put_runs(f, frame);
	return r < 0 ? error_sys(err, r, "cannot fill the memory of process %d", f->to->p->pid) : 0;
}

static int load_and_put(const struct restore_fill *f, struct image_lens *l, const struct image_frame *frame,
			struct pidspace_error *err)
{
	struct image_frame whole;
	int r = image_lens_load(l, frame, &whole, err);

	return r < 0 ? r : put(f, &whole, err);
}

/* --- threads --- */

/* Takes the oldest frame, and those that go on in the huge page where the one before ends: two threads that
 * fill halves of one page would both make and clear it. Under the lock; the number taken. */
static unsigned take(struct restore_fill *f, struct image_frame frames[AT_ONCE])
{
	unsigned n = 0;
	uint64_t in = 0;

	while (n < AT_ONCE && f->taken < f->given) {
		const struct given_frame *g = &f->ring[f->taken % RING];
		if (n && g->first != in)
			break;
		frames[n++] = g->f;
		in = g->last;
		f->taken++;
	}
	return n;
}

static void *work(void *arg)
{
	struct restore_fill *f = arg;
	struct image_lens *l = image_lens_on(f->e->o->image);
	struct image_frame frames[AT_ONCE];

	pthread_mutex_lock(&f->crew.lock);
	for (;;) {
		struct pidspace_error err = {};
		while (!f->crew.stop && f->taken == f->given)
			pthread_cond_wait(&f->crew.work, &f->crew.lock);
		if (f->crew.stop)
			break;
		unsigned n = take(f, frames);
		bool skip = f->error.status;
		pthread_mutex_unlock(&f->crew.lock);
		if (!skip && !l)
			error_sys(&err, -ENOMEM, "cannot read the image");
		for (unsigned i = 0; i < n && !skip && !err.status; i++)
			load_and_put(f, l, &frames[i], &err);
		pthread_mutex_lock(&f->crew.lock);
		if (err.status && !f->error.status)
			f->error = err;
		uint64_t left = f->given - f->finished;
		f->finished += n;
		/* The caller is not woken for every single frame. */
		if (left == n || (left > RING / 2 && left - n <= RING / 2))
			pthread_cond_signal(&f->crew.done);
	}
	pthread_mutex_unlock(&f->crew.lock);
	image_lens_free(l);
	return NULL;
}

static void start_threads(struct restore_fill *f)
{
	unsigned n = pool_cpus() < THREADS_MAX ? pool_cpus() : THREADS_MAX;

	while (f->crew.pool.n < n && pool_start(&f->crew.pool, work, f) == 0)
		;
}

static int answer(const struct restore_fill *f, struct pidspace_error *err)
{
	if (f->error.status && err)
		*err = f->error;
	return f->error.status;
}

static int give(struct restore_fill *f, const struct image_frame *frame, struct pidspace_error *err)
{
	pthread_mutex_lock(&f->crew.lock);
	while (f->given - f->finished == RING)
		pthread_cond_wait(&f->crew.done, &f->crew.lock); /* until it is half empty */
	struct given_frame *g = &f->ring[f->given++ % RING];
	const struct image_page_run *end = frame->runs + frame->n_runs;
	*g = (struct given_frame){.f = *frame};
	if (frame->n_runs) {
		g->first = frame->runs->address / HUGE_PAGE;
		g->last = (end[-1].address + end[-1].bytes - 1) / HUGE_PAGE;
	}
	int r = answer(f, err);
	pthread_cond_signal(&f->crew.work);
	pthread_mutex_unlock(&f->crew.lock);
	return r;
}

/* --- watching a process --- */

static bool wants_small_pages(const struct restore_fill *f, const Vma *v)
{
	if (v->kind != VMA_KIND__VMA_ANONYMOUS || v->flags & (VMA_FLAG__VMA_SHARED | VMA_FLAG__VMA_HUGEPAGE))
		return false;
	return v->flags & VMA_FLAG__VMA_NOHUGEPAGE || !f->huge_everywhere;
}

/* A userfaultfd for the process, which is ours alone. -errno; it may not be allowed at all. */
static int open_uffd(struct restored *p)
{
	struct batch b = {};
	_cleanup_close_ int pidfd = sys_pidfd_open(p->t.tgid.n, 0);
	int c = BATCH_CALL(&b, "userfaultfd", SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), uffd = -EPERM;

	batch_may_fail(&b, c);
	if (pidfd >= 0 && batch_run(&p->t, &b, NULL) == 0 && batch_result(&b, c) >= 0) {
		int inside = (int)batch_result(&b, c);
		uffd = sys_pidfd_getfd(pidfd, inside);
		batch_reset(&b);
		BATCH_CALL(&b, "close", SYS_close, inside);
		if (batch_run(&p->t, &b, NULL) < 0)
			fd_closep(&uffd);
	}
	batch_done(&b);
	return uffd;
}

/* As much of the process as may be filled with new small pages; nothing where that cannot be had. */
static void watch(struct restore_fill *f, struct restored *p)
{
	struct uffdio_api api = {.api = UFFD_API};

	f->asked = true;
	f->uffd = open_uffd(p);
	if (f->uffd < 0 || ioctl(f->uffd, UFFDIO_API, &api) < 0) {
		fd_closep(&f->uffd);
		return;
	}
	for (size_t i = 0; i < p->mm->n_vma; i++) {
		const Vma *v = p->mm->vma[i];
		struct uffdio_register reg = {.range = {v->start, v->end - v->start},
					      .mode = UFFDIO_REGISTER_MODE_MISSING};
		if (reg.range.len < WATCH_AT_LEAST || !wants_small_pages(f, v))
			continue;
		struct page_span *s = vec_push(&f->watched);
		if (!s)
			return;
		*s = (struct page_span){v->start, v->end};
		if (ioctl(f->uffd, UFFDIO_REGISTER, &reg) < 0)
			f->watched.n--;
	}
}

static bool huge_pages_everywhere(void)
{
	_cleanup_free_ char *text = NULL;

	return fd_slurp_at(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/enabled", &text, NULL) >= 0 &&
	       strstr(text, "[always]");
}

static int begin(struct restore_engine *e, struct pidspace_error *err)
{
	struct restore_fill *f = calloc(1, sizeof *f);

	if (!f)
		return error_sys(err, -ENOMEM, "cannot restore memory");
	crew_init(&f->crew);
	f->e = e;
	f->uffd = -1;
	f->huge_everywhere = huge_pages_everywhere();
	e->fill = f;
	return 0;
}

int restore_fill_turn(struct restore_engine *e, const struct restored *p, uint32_t phase,
		      struct pidspace_error *err)
{
	struct restore_fill *f = e->fill;

	return f && (f->to != p || f->phase != phase) ? restore_fill_finish(e, err) : 0;
}

int restore_fill(struct restore_engine *e, struct restored *p, const struct image_frame *frame,
		 struct pidspace_error *err)
{
	int r = e->fill ? restore_fill_turn(e, p, frame->phase, err) : begin(e, err);
	struct restore_fill *f = e->fill;

	if (r < 0)
		return r;
	f->to = p;
	f->phase = frame->phase;
	if (!frame->deferred)
		return put(f, frame, err);
	if (p && !f->asked)
		watch(f, p);
	start_threads(f);
	if (f->crew.pool.n)
		return give(f, frame, err);
	if (!f->own && !(f->own = image_lens_on(e->o->image)))
		return error_sys(err, -ENOMEM, "cannot read the image");
	return load_and_put(f, f->own, frame, err);
}

int restore_fill_finish(struct restore_engine *e, struct pidspace_error *err)
{
	struct restore_fill *f = e->fill;

	if (!f)
		return 0;
	pthread_mutex_lock(&f->crew.lock);
	while (f->given != f->finished)
		pthread_cond_wait(&f->crew.done, &f->crew.lock);
	int r = answer(f, err);
	pthread_mutex_unlock(&f->crew.lock);
	fd_closep(&f->uffd);
	f->asked = false;
	f->watched.n = 0;
	return r;
}

void restore_fill_free(struct restore_engine *e)
{
	struct restore_fill *f = e->fill;

	if (!f)
		return;
	crew_dismiss(&f->crew);
	fd_closep(&f->uffd);
	vec_free(&f->watched);
	image_lens_free(f->own);
	free(f);
	e->fill = NULL;
}
