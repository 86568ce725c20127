#include "migrate/filler.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/uffd.h"
#include "migrate/whole.h"

#define PAGE UINT64_C(4096)
/* Copied at once: between two pieces of what is pushed faults are answered. */
#define PIECE ((size_t)512 << 10)
/* Extents that the source is told of ahead. */
#define AHEAD 3

static int no_memory(struct pidspace_error *err)
{
	return error_sys(err, -ENOMEM, "cannot fill the container's memory");
}

/* --- spaces --- */

/* Filled or gone. Those who wait are woken, and the kernel gives zero pages from now on. */
static void leave(struct page_space *s)
{
	fd_closep(&s->uffd);
	s->left = 0;
}

static void space_free(struct page_space *s)
{
	fd_closep(&s->uffd);
	hand_drop(&s->hand);
	missing_done(&s->missing);
	huge_done(&s->huge);
	free(s->placed);
	free(s);
}

void filler_lend(struct filler *f, struct page_space *s, struct hand *h)
{
	s->hand = *h;
	s->hand_uffd = s->uffd < 0 ? -1 : hand_give(&s->hand, s->uffd);
}

bool filler_take_hands(struct filler *f)
{
	bool all = true;

	vec_each(s, &f->spaces)
		all &= hand_leave(&(*s)->hand) == 0;
	return all;
}

static int watch(struct filler *f, struct page_space *s, struct pidspace_error *err)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
	struct page_space **slot = vec_push(&f->spaces);

	if (!slot) {
		space_free(s);
		return no_memory(err);
	}
	*slot = s;
	if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, s->uffd, &e) < 0)
		return error_sys(err, -errno, "cannot watch the container's memory");
	return 0;
}

int filler_init(struct filler *f, struct page_source *source, struct pidspace_error *err)
{
	*f = (struct filler){.source = source, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	return f->epoll < 0 ? error_sys(err, -errno, "cannot watch the container's memory") : 0;
}

void filler_done(struct filler *f)
{
	vec_each(s, &f->spaces)
		space_free(*s);
	vec_free(&f->spaces);
	vec_free(&f->waiting);
	fd_closep(&f->epoll);
}

int filler_add(struct filler *f, int uffd, const struct extents *extents, struct missing *missing,
	       struct huge *huge, struct pidspace_error *err)
{
	struct page_space *s = calloc(1, sizeof *s);

	if (!s || !(s->placed = calloc(extents->at.n + 1, 1))) {
		free(s);
		close(uffd);
		missing_done(missing);
		huge_done(huge);
		return no_memory(err);
	}
	s->uffd = uffd;
	s->extents = extents;
	s->left = extents->at.n;
	s->missing = *missing;
	*missing = (struct missing){};
	s->huge = *huge;
	*huge = HUGE_NONE;
	s->hand = HAND_NONE;
	s->hand_uffd = -1;
	return watch(f, s, err);
}

/* --- what a process does to its memory --- */

static int add_forked(struct filler *f, const struct page_space *parent, int uffd, struct pidspace_error *err)
{
	struct page_space *s = calloc(1, sizeof *s);

	if (!s || !(s->placed = malloc(parent->extents->at.n + 1)) ||
	    missing_copy(&s->missing, &parent->missing) < 0) {
		if (s)
			free(s->placed);
		free(s);
		return no_memory(err); /* uffd stays open: the child waits until it is killed */
	}
	memcpy(s->placed, parent->placed, parent->extents->at.n + 1);
	s->uffd = uffd;
	s->extents = parent->extents;
	s->left = parent->left;
	s->huge = HUGE_NONE; /* whose it is no event tells */
	s->hand = HAND_NONE;
	s->hand_uffd = -1;
	return watch(f, s, err);
}

static int note_waiting(struct filler *f, struct page_space *s, uint64_t address, struct pidspace_error *err)
{
	struct waiting *w = vec_push(&f->waiting);

	if (!w)
		return no_memory(err);
	*w = (struct waiting){s, address & ~(PAGE - 1)};
	return 0;
}

static int take_message(struct filler *f, struct page_space *s, const struct uffd_msg *m,
			struct pidspace_error *err)
{
	int r = 0;

	switch (m->event) {
	case UFFD_EVENT_PAGEFAULT:
		return note_waiting(f, s, m->arg.pagefault.address, err);
	case UFFD_EVENT_FORK:
		return add_forked(f, s, (int)m->arg.fork.ufd, err);
	case UFFD_EVENT_REMAP:
		r = missing_move(&s->missing, m->arg.remap.from, m->arg.remap.to, m->arg.remap.len);
		break;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		r = missing_drop(&s->missing, m->arg.remove.start, m->arg.remove.end);
		break;
	}
	return r < 0 ? no_memory(err) : 0;
}

/* Events are applied at once, faults are put down. 1: there were messages. */
static int read_messages(struct filler *f, struct page_space *s, struct pidspace_error *err)
{
	struct uffd_msg m[16];
	ssize_t n = s->uffd < 0 ? 0 : read(s->uffd, m, sizeof m);
	int r = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR
			       ? 0
			       : error_sys(err, -errno, "cannot read the faults of a process");
	for (size_t i = 0; i < (size_t)n / sizeof *m && r == 0; i++)
		r = take_message(f, s, &m[i], err);
	return r < 0 ? r : n > 0;
}

/* The kernel lets nobody fill pages while mappings change, until the event of it was read (mmap_changing in
 * fs/userfaultfd.c). It may not be there yet, or its author not yet awake. */
static int await_event(struct filler *f, struct page_space *s, struct pidspace_error *err)
{
	struct pollfd p = {.fd = s->uffd, .events = POLLIN};

	for (int i = 0; i < 50; i++) {
		int r = read_messages(f, s, err);
		if (r)
			return r < 0 ? r : 0;
		sched_yield();
	}
	poll(&p, 1, 1);
	return 0;
}

/* --- placing --- */

/* Copies the first of n bytes. How far it came, which is a page where there is nothing to do; 0: look again
 * where they belong. */
static ssize_t copy_some(struct filler *f, struct page_space *s, uint64_t to, const uint8_t *from, size_t n,
			 struct pidspace_error *err)
{
	if (n > PIECE)
		n = PIECE;
	for (;;) {
		ssize_t r = s->uffd < 0 ? -ESRCH : uffd_copy(s->uffd, to, from, n);
		switch (r) {
		case -EEXIST: /* newer: from a younger extent, or its own */
			return PAGE;
		case -ENOENT:
			if (n <= PAGE) /* unmapped, and the event of it is behind us */
				return PAGE;
			n = n / 2 & ~(PAGE - 1); /* a mapping ends within */
			break;
		case -EAGAIN:
			r = await_event(f, s, err);
			return r;
		case -ESRCH:
			leave(s);
			return (ssize_t)n;
		default:
			if (r < 0)
				return error_sys(err, (int)r, "cannot fill page %llx of a process",
						 (unsigned long long)to);
			huge_note(&s->huge, to, (uint64_t)r);
			return r;
		}
	}
}

/* One run of a frame, wherever its pages are now. between: answer faults between two pieces. */
static int place_run(struct filler *f, struct page_space *s, const struct image_page_run *run,
		     const uint8_t *data, bool between, struct pidspace_error *err)
{
	struct missing_range at;
	uint64_t from = 0;

	while (missing_next_place(&s->missing, run->address, run->address + run->bytes, from, &at)) {
		ssize_t n = copy_some(f, s, at.start, data + (at.origin - run->address),
				      at.end - at.start, err);
		if (n < 0)
			return (int)n;
		/* After an event pages may be anywhere; those that are there already cost little. */
		from = n ? at.start + (uint64_t)n : 0;
		if (between) {
			int r = filler_serve(f, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* The page somebody waits for, before the rest of its extent. */
static int place_page(struct filler *f, struct page_space *s, const struct image_frame *frame, uint64_t origin,
		      struct pidspace_error *err)
{
	const uint8_t *data = frame->data;

	for (size_t i = 0; i < frame->n_runs; i++) {
		const struct image_page_run *run = &frame->runs[i];
		if (!run->zero && origin >= run->address && origin < run->address + run->bytes) {
			struct image_page_run page = {.address = origin, .bytes = PAGE};
			return place_run(f, s, &page, data + (origin - run->address), false, err);
		}
		data += run->zero ? 0 : run->bytes;
	}
	return 0;
}

static int place_runs(struct filler *f, struct page_space *s, const struct image_frame *frame, bool between,
		      struct pidspace_error *err)
{
	const uint8_t *data = frame->data;
	int r = 0;

	for (size_t i = 0; i < frame->n_runs && r == 0 && s->uffd >= 0; i++) {
		if (frame->runs[i].zero)
			continue;
		r = place_run(f, s, &frame->runs[i], data, between, err);
		data += frame->runs[i].bytes;
	}
	return r;
}

/* Extent i, after all that are younger and touch it. first: origin of a page that comes first, 0: none. */
static int place(struct filler *f, struct page_space *s, size_t i, uint64_t first, bool between,
		 struct pidspace_error *err)
{
	const struct extent *x = &s->extents->at.at[i];
	struct image_frame frame;
	size_t k;
	int r = 0;

	while (r == 0 && s->uffd >= 0 &&
	       (k = extents_youngest(s->extents, x->start, x->end, s->placed)) != SIZE_MAX && k != i)
		r = place(f, s, k, first, between, err);
	if (r < 0 || s->uffd < 0 || s->placed[i])
		return r;
	r = f->source->ops->fetch(f->source, x->number, &frame, err);
	if (r < 0)
		return r;
	if (first)
		r = place_page(f, s, &frame, first, err);
	if (r == 0)
		r = place_runs(f, s, &frame, between, err);
	f->source->ops->release(f->source, x->number);
	if (r == 0 && s->uffd >= 0 && !s->placed[i]) {
		s->placed[i] = 1;
		if (--s->left == 0)
			leave(s);
	}
	return r;
}

/* The huge page around an address, if it can be had whole: 1. */
static int place_whole(struct filler *f, struct page_space *s, uint64_t address, struct pidspace_error *err)
{
	int r = whole_place(f, s, address, err);

	if (r > 0 && s->left == 0)
		leave(s);
	return r;
}

/* One of those that extent i lies in. */
static int place_whole_of(struct filler *f, struct page_space *s, size_t i, struct pidspace_error *err)
{
	const struct extent *x = &s->extents->at.at[i];
	int r = 0;

	for (uint64_t at = x->start & ~(HUGE_PAGE - 1); at < x->end && r == 0; at += HUGE_PAGE)
		r = place_whole(f, s, at, err);
	return r;
}

/* --- answering --- */

/* The page is in no extent, or dropped since: zero. Whoever waits is woken in any case. */
static int give_zero(struct filler *f, struct page_space *s, uint64_t page, struct pidspace_error *err)
{
	while (s->uffd >= 0) {
		int r = uffd_zero(s->uffd, page);
		switch (r) {
		case 0:
			return 0;
		case -EAGAIN:
			r = await_event(f, s, err);
			if (r < 0)
				return r;
			break;
		case -ESRCH:
			leave(s);
			return 0;
		case -EEXIST: /* it has come meanwhile */
		case -ENOENT: /* it is mapped no more */
			uffd_wake(s->uffd, page);
			return 0;
		default:
			return error_sys(err, r, "cannot fill page %llx of a process", (unsigned long long)page);
		}
	}
	return 0;
}

static int answer(struct filler *f, struct waiting w, struct pidspace_error *err)
{
	struct page_space *s = w.space;
	uint64_t origin;
	size_t i;

	while (s->uffd >= 0 && missing_origin(&s->missing, w.page, &origin) &&
	       (i = extents_youngest(s->extents, origin, origin + PAGE, s->placed)) != SIZE_MAX) {
		int r = origin == w.page ? place_whole(f, s, w.page, err) : 0;
		s->next = r > 0 ? i : i + 1;
		f->current = s;
		if (r > 0)
			return 0; /* and whoever waits is awake */
		if (r == 0)
			r = place(f, s, i, origin, false, err);
		if (r < 0)
			return r;
	}
	return give_zero(f, s, w.page, err);
}

int filler_serve(struct filler *f, struct pidspace_error *err)
{
	struct epoll_event e[16];
	int n = epoll_wait(f->epoll, e, 16, 0), r = 0;

	for (int i = 0; i < n && r >= 0; i++)
		r = read_messages(f, e[i].data.ptr, err);
	/* More may be put down while these are answered. */
	for (size_t i = 0; i < f->waiting.n && r >= 0; i++)
		r = answer(f, f->waiting.at[i], err);
	f->waiting.n = 0;
	return r < 0 ? r : 0;
}

/* --- pushing --- */

static size_t next_left(const struct page_space *s, size_t from)
{
	for (size_t k = 0; k < s->extents->at.n; k++) {
		size_t i = (from + k) % s->extents->at.n;
		if (!s->placed[i])
			return i;
	}
	return SIZE_MAX;
}

void filler_expect(struct filler *f, const struct page_space *s, size_t i)
{
	size_t k = i;

	for (int n = 0; n < AHEAD && (k = next_left(s, k + 1)) != i && k != SIZE_MAX; n++)
		f->source->ops->expect(f->source, s->extents->at.at[k].number);
}

static struct page_space *choose(const struct filler *f)
{
	if (f->current && f->current->left)
		return f->current;
	vec_each(s, &f->spaces)
		if ((*s)->left)
			return *s;
	return NULL;
}

int filler_push(struct filler *f, struct pidspace_error *err)
{
	struct page_space *s = choose(f);

	f->current = s;
	if (!s)
		return 0;
	size_t i = next_left(s, s->next);
	filler_expect(f, s, i);
	int r = place_whole_of(f, s, i, err);
	s->next = r > 0 ? i : i + 1; /* it may lie in more of them */
	if (r == 0)
		r = place(f, s, i, 0, true, err);
	return r < 0 ? r : 1;
}

void filler_make_huge(struct filler *f)
{
	vec_each(s, &f->spaces)
		huge_collapse(&(*s)->huge);
}
