#include "migrate/rounds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/error.h"
#include "migrate/survey.h"

#define PAGE UINT64_C(4096)
#define RUNS 512                      /* of a block */
#define LEAST ((uint64_t)32 << 20)    /* bytes of the whole tree that are worth a round */
#define WORTH_IT ((uint64_t)4 << 20)  /* ... of one process; less is sooner copied than watched */
#define SMALL ((uint64_t)256 << 10)   /* ... of one mapping */
#define LITTLE ((uint64_t)1 << 20)    /* bytes that may be left for the stop */
#define COPY_BYTES_PER_US UINT64_C(2000) /* about what a round copies; only to compare with the length of stops */

struct rounds {
	const struct rounds_options *o;
	struct image_writer *out;
	struct survey survey;
	struct earlier earlier;
	uint64_t stop_ns;             /* of the longest stop */
	uint64_t last_progress;
};

/* --- what a save asks --- */

static struct tracker *tracker_of(const struct rounds *r, struct vpid pid)
{
	vec_each(t, &r->survey.watched)
		if ((*t)->pid.n == pid.n)
			return *t;
	return NULL;
}

static int unchanged(void *arg, struct vpid pid, int pagemap, uint32_t *ret_id, page_ranges *ret)
{
	const struct tracker *t = tracker_of(arg, pid);
	struct proc_stat st;

	*ret_id = 0;
	if (!t || proc_stat_read(t->proc_fd, pid.n, 0, &st) < 0 || st.start_ticks != t->start_ticks)
		return 0;
	*ret_id = t->id;
	return tracker_unchanged(t, pagemap, ret);
}

static bool watches(void *arg, struct vpid pid, uint64_t start, uint64_t end)
{
	const struct tracker *t = tracker_of(arg, pid);

	return t && tracker_watches(t, start, end);
}

const struct earlier *rounds_earlier(const struct rounds *r)
{
	return &r->earlier;
}

/* --- a moment in which all stand still --- */

static int stand_still(struct rounds *r, size_t *ret_left, struct pidspace_error *err)
{
	struct engine_stats *st = r->o->stats;
	uint64_t began = freeze_now(), took;
	struct frozen *f;
	int e = freeze_tree(&f, r->o->space, err);

	if (e < 0)
		return e;
	e = survey_stopped(&r->survey, f, ret_left, err);
	freeze_release(f);
	took = freeze_now() - began;
	r->stop_ns = took > r->stop_ns ? took : r->stop_ns;
	if (st->n_rounds && st->n_rounds <= ENGINE_ROUNDS)
		st->round[st->n_rounds - 1].stopped_ns += took;
	return e;
}

/* --- copying --- */

struct block {
	struct rounds *r;
	struct tracker *t;
	uint32_t round;
	uint8_t *buf;
	size_t len, n;
	struct image_run runs[RUNS];
};

static void keep(struct block *b, uint64_t address, uint64_t bytes)
{
	struct image_run *last = b->n ? &b->runs[b->n - 1] : NULL;

	if (last && last->address + last->bytes == address)
		last->bytes += bytes;
	else
		b->runs[b->n++] = (struct image_run){address, bytes};
	b->len += bytes;
}

/* Run by run, and where that fails page by page: what cannot be read has gone, and is missed, as is what there are
 * not runs enough for. */
static int read_singly(struct block *b, const struct image_run *want, size_t n)
{
	int e = 0;

	b->n = b->len = 0;
	for (size_t i = 0; i < n && e == 0; i++) {
		if (b->n < RUNS && tracker_read(b->t, want[i].address, b->buf + b->len, want[i].bytes) == 0) {
			keep(b, want[i].address, want[i].bytes);
			continue;
		}
		for (uint64_t at = want[i].address; at < want[i].address + want[i].bytes && e == 0; at += PAGE) {
			if (b->n < RUNS && tracker_read(b->t, at, b->buf + b->len, PAGE) == 0)
				keep(b, at, PAGE);
			else
				e = tracker_miss(b->t, at, at + PAGE);
		}
	}
	return e;
}

static int read_block(struct block *b)
{
	struct iovec remote[RUNS] = {0}, local = {b->buf, b->len};
	struct image_run want[RUNS];
	size_t n = b->n;

	for (size_t i = 0; i < n; i++)
		remote[i] = (struct iovec){(void *)b->runs[i].address, b->runs[i].bytes};
	/* Pinning would unshare what is shared since fork (mm/gup.c gup_must_unshare()). */
	if (!b->t->family && process_vm_readv(b->t->host.n, &local, 1, remote, n, 0) == (ssize_t)b->len)
		return 0;
	memcpy(want, b->runs, n * sizeof *want);
	return read_singly(b, want, n);
}

static void progress(struct rounds *r)
{
	uint64_t now = freeze_now();

	if (!r->o->progress || now - r->last_progress < 100000000)
		return;
	r->last_progress = now;
	r->o->progress(r->o->progress_arg, r->o->stats);
}

static int flush(struct block *b, struct pidspace_error *err)
{
	if (!b->buf)
		return 0;
	int e = read_block(b);
	if (e < 0)
		return error_sys(err, e, "cannot copy memory of process %d", b->t->pid.n);
	e = image_write_early_pages(b->r->out, b->t->id, b->round, b->buf, b->runs, b->n, err);
	b->r->o->stats->bytes_done += b->len;
	progress(b->r);
	b->buf = NULL;
	b->n = b->len = 0;
	return e;
}

static int add(struct block *b, const struct page_range *range, struct pidspace_error *err)
{
	int e = 0;

	for (uint64_t at = range->start; at < range->end && e == 0;) {
		if (!b->buf && !(b->buf = image_page_buffer(b->r->out)))
			return error_sys(err, -ENOMEM, "cannot copy memory");
		uint64_t room = IMAGE_BLOCK - b->len, n = range->end - at < room ? range->end - at : room;
		b->runs[b->n++] = (struct image_run){at, n};
		b->len += n;
		at += n;
		if (b->len == IMAGE_BLOCK || b->n == RUNS)
			e = flush(b, err);
	}
	return e;
}

static int copy(struct rounds *r, struct tracker *t, uint32_t round, struct pidspace_error *err)
{
	struct block *b = calloc(1, sizeof *b);
	int e = b ? 0 : error_sys(err, -ENOMEM, "cannot copy memory");

	if (!b)
		return e;
	b->r = r;
	b->t = t;
	b->round = round;
	vec_each(range, &t->dirty)
		if (e == 0)
			e = add(b, range, err);
	if (e == 0)
		e = flush(b, err);
	free(b);
	return e;
}

/* --- rounds --- */

/* Who may share pages with whom: forked, no exec since. */
static void find_families(struct rounds *r)
{
	vec_each(t, &r->survey.watched) {
		(*t)->family = false;
		vec_each(o, &r->survey.watched)
			(*t)->family |= *o != *t && (*o)->stack == (*t)->stack;
	}
}

static uint64_t scan_all(struct rounds *r)
{
	uint64_t bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->survey.watched.n; i++) {
		struct tracker *t = r->survey.watched.at[i];
		if (tracker_scan(t) < 0) {
			tracker_leave(t);
			continue;
		}
		r->survey.watched.at[n++] = t;
		vec_each(range, &t->dirty)
			bytes += range->end - range->start;
	}
	r->survey.watched.n = n;
	return bytes;
}

/* *ret: bytes copied. */
static int one_round(struct rounds *r, uint32_t round, uint64_t *ret, struct pidspace_error *err)
{
	struct engine_stats *st = r->o->stats;
	uint64_t began = freeze_now();
	size_t left;
	int e;

	*ret = scan_all(r);
	st->n_rounds = round;
	st->bytes_total = st->bytes_done + *ret;
	/* Pins of calls that were under way are gone after this (tracker.h). */
	e = stand_still(r, &left, err);
	find_families(r);
	for (size_t i = 0; i < r->survey.watched.n && e == 0; i++)
		e = copy(r, r->survey.watched.at[i], round, err);
	if (round <= ENGINE_ROUNDS) {
		st->round[round - 1].pages = *ret / PAGE;
		st->round[round - 1].ns = freeze_now() - began;
	}
	return e;
}

static int all_rounds(struct rounds *r, struct pidspace_error *err)
{
	uint64_t before = UINT64_MAX, bytes;
	int e = 0;

	for (uint32_t round = 1; round <= r->o->max_rounds && e == 0; round++) {
		e = one_round(r, round, &bytes, err);
		if (bytes <= LITTLE || bytes > before / 4 * 3)
			break;
		before = bytes;
	}
	return e;
}

/* Watching begins in stops of their own, a few processes in each. */
static int enter_all(struct rounds *r, struct pidspace_error *err)
{
	size_t left = 1;
	int e = 0;

	while (left && e == 0) {
		size_t before = left;
		e = stand_still(r, &left, err);
		if (r->survey.bytes < LEAST && !r->o->always)
			break;
		/* Others come as fast as they are entered: the rest is the final stop's. */
		if (before > 1 && left >= before)
			break;
	}
	return e;
}

/* Why there is nothing to gain, or NULL. */
static const char *pointless(const struct rounds *r)
{
	if (r->survey.bytes < LEAST && !r->o->always)
		return "there is little memory";
	if (!r->survey.watched.n)
		return r->survey.forbidden ? r->survey.why : "no memory can be watched";
	if (!r->o->always && r->stop_ns / 1000 > r->survey.bytes / COPY_BYTES_PER_US)
		return "stopping takes longer than copying";
	return NULL;
}

int rounds_run(struct rounds **ret, const struct rounds_options *o, struct pidspace_error *err)
{
	struct rounds *r = calloc(1, sizeof *r);
	int e;

	*ret = NULL;
	if (!r)
		return error_sys(err, -ENOMEM, "cannot copy memory");
	r->o = o;
	r->survey.space = o->space;
	r->survey.least_process = o->always ? 0 : WORTH_IT;
	r->survey.least_mapping = o->always ? PAGE : SMALL;
	r->earlier = (struct earlier){.arg = r, .unchanged = unchanged, .watches = watches};
	e = enter_all(r, err);
	const char *why = e == 0 ? pointless(r) : NULL;
	if (why)
		snprintf(o->stats->no_rounds, sizeof o->stats->no_rounds, "%s", why);
	struct image_options image = o->image;
	image.early = true;
	if (e == 0 && !why)
		e = image_writer_open(&r->out, o->image_fd, &image, err);
	if (e == 0 && !why) {
		r->earlier.out = r->out;
		e = all_rounds(r, err);
	}
	if (e < 0 || why)
		rounds_free(r);
	else
		*ret = r;
	return e;
}

void rounds_free(struct rounds *r)
{
	if (!r)
		return;
	survey_done(&r->survey);
	if (r->out)
		image_writer_free(r->out);
	free(r);
}
