#include "migrate/whole.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kernel/uffd.h"

/* An area of more extents is one of many small pieces. */
#define EXTENTS_MAX 16
#define RUNS_MAX 256 /* of a frame, see FORMAT.md */

struct area {
	uint64_t start, end;
	size_t first, n; /* its extents */
};

/* Is all that belongs there still missing, at the place where it was? */
static bool is_missing(const struct page_space *s, const struct area *a)
{
	const struct extents *x = s->extents;
	struct missing_range at;

	if (!a->n || a->n > EXTENTS_MAX ||
	    !missing_next_place(&s->missing, a->start, a->end, 0, &at) || at.start != a->start ||
	    at.origin != a->start || at.end < a->end)
		return false;
	for (size_t i = a->first; i < a->first + a->n; i++) {
		/* Of two that hold the same page the younger counts, which is somebody else's business. */
		bool over = i > a->first && x->at.at[i].start < x->reach[i - 1];
		if (s->placed[i] || over || x->at.at[i].end <= a->start)
			return false;
	}
	return true;
}

/* What of a frame belongs there, into the room. */
static int write_frame(const struct hand *h, const struct area *a, const struct image_frame *frame)
{
	struct iovec local[RUNS_MAX], remote[RUNS_MAX];
	const uint8_t *data = frame->data;
	size_t n = 0, sum = 0;

	for (size_t i = 0; i < frame->n_runs && n < RUNS_MAX; i++) {
		const struct image_page_run *run = &frame->runs[i];
		uint64_t end = run->address + run->bytes;
		uint64_t from = run->address > a->start ? run->address : a->start, to = end < a->end ? end : a->end;
		if (!run->zero && from < to) {
			local[n] = (struct iovec){(void *)(data + (from - run->address)), to - from};
			remote[n++] = (struct iovec){(void *)(h->room + (from - a->start)), to - from};
			sum += to - from;
		}
		data += run->zero ? 0 : run->bytes;
	}
	return !n || process_vm_writev(h->tid.n, local, n, remote, n, 0) == (ssize_t)sum ? 0 : -ESRCH;
}

static int clear_room(struct page_space *s)
{
	const uint64_t arg[6] = {s->hand.room, HAND_ROOM, MADV_DONTNEED};

	return (int)hand_call(&s->hand, SYS_madvise, arg, NULL, 0);
}

/* 0, or -errno, also when a part of it was moved. */
static int move(struct page_space *s, const struct area *a)
{
	const struct uffd_move m = {.to = a->start, .from = s->hand.room, .bytes = HAND_ROOM, .mode = UFFD_MOVE_HOLES};
	const uint64_t arg[6] = {(uint64_t)s->hand_uffd, UFFD_MOVE, hand_data(&s->hand)};

	return (int)hand_call(&s->hand, SYS_ioctl, arg, &m, sizeof m);
}

static bool has_all(struct page_space *s, const struct extent *x)
{
	for (uint64_t at = x->start & ~(HUGE_PAGE - 1); at < x->end; at += HUGE_PAGE) {
		const uint8_t *state = huge_state_of(&s->huge, at);
		if (!state || *state != HUGE_WHOLE)
			return false;
	}
	return true;
}

/* An extent rarely ends where a huge page does: the last one is kept for the next. */
static int fetch(struct filler *f, size_t number, struct pidspace_error *err)
{
	if (f->held.any && f->held.number == number)
		return 0;
	whole_forget(f);
	int r = f->source->ops->fetch(f->source, number, &f->held.frame, err);
	f->held.any = r == 0;
	f->held.number = number;
	return r;
}

void whole_forget(struct filler *f)
{
	if (f->held.any)
		f->source->ops->release(f->source, f->held.number);
	f->held.any = false;
}

/* 1; 0: the hand is no more. */
static int write_area(struct filler *f, struct page_space *s, const struct area *a, struct pidspace_error *err)
{
	for (size_t i = a->first; i < a->first + a->n; i++) {
		int r = fetch(f, s->extents->at.at[i].number, err);
		if (r < 0)
			return r;
		filler_expect(f, s, i);
		if (write_frame(&s->hand, a, &f->held.frame) < 0)
			return 0;
	}
	if (s->extents->at.at[a->first + a->n - 1].end <= a->end)
		whole_forget(f);
	return 1;
}

int whole_place(struct filler *f, struct page_space *s, uint64_t address, struct pidspace_error *err)
{
	uint8_t *state = huge_state_of(&s->huge, address);
	struct area a = {.start = address & ~(HUGE_PAGE - 1)};

	if (!state || *state != HUGE_MISSING || s->uffd < 0 || s->hand_uffd < 0 || !hand_ready(&s->hand))
		return 0;
	a.end = a.start + HUGE_PAGE;
	extents_between(s->extents, a.start, a.end, &a.first, &a.n);
	a.n -= a.first;
	if (!is_missing(s, &a) || (s->room_used && clear_room(s) < 0))
		return 0;
	s->room_used = true;
	int r = write_area(f, s, &a, err);
	if (r <= 0)
		return r;
	if (move(s, &a) < 0) {
		*state = HUGE_SMALL; /* some of it may be there */
		return 0;
	}
	*state = HUGE_WHOLE;
	s->room_used = false;
	for (size_t i = a.first; i < a.first + a.n; i++)
		if (has_all(s, &s->extents->at.at[i])) {
			s->placed[i] = 1;
			s->left--;
		}
	return 1;
}
