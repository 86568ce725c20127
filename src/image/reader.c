/* The reading end. Metadata and small images are read by the caller. At the first large frame of pages
 * threads take over: one fetches frames in order into a ring of slots, as far ahead as the ring allows,
 * others check and decompress them, and the caller takes them in order. A caller may fork meanwhile:
 * the children do not inherit the blocks, and nobody but these threads frees what they allocate before
 * the reader is freed. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/frame_reader.h"
#include "image/pool.h"

#define SLOTS_MAX (POOL_MAX + 2)

struct slot {
	struct frame_slot frame;
	bool checked;
};

struct image_reader {
	struct frame_reader frames; /* of the fetching thread once it runs */
	struct compress_state state;
	struct format_digest index; /* what the index has to say */
	struct frame_slot *now; /* what the caller has */
	bool ended;

	struct pool pool;
	bool threads, no_threads;
	pthread_mutex_t lock;
	pthread_cond_t work, ready, room;
	/* under the lock */
	bool stop;
	uint64_t fetched, claimed,
		taken; /* frames, since the threads run; those before taken are free */

	unsigned n_slots;
	struct slot slot[SLOTS_MAX];
};

static struct slot *slot_at(struct image_reader *r, uint64_t n)
{
	return &r->slot[n % r->n_slots];
}

static void *fetch(void *arg)
{
	struct image_reader *r = arg;
	int status = 1;

	pthread_mutex_lock(&r->lock);
	while (status > 0) {
		while (!r->stop && r->fetched - r->taken == r->n_slots)
			pthread_cond_wait(&r->room, &r->lock);
		if (r->stop)
			break;
		struct slot *s = slot_at(r, r->fetched);
		s->checked = false;
		pthread_mutex_unlock(&r->lock);
		status = frame_fetch(&r->frames, &s->frame);
		pthread_mutex_lock(&r->lock);
		r->fetched++;
		pthread_cond_signal(&r->work);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void *check(void *arg)
{
	struct image_reader *r = arg;
	struct compress_state state = {0};

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (!r->stop && r->claimed == r->fetched)
			pthread_cond_wait(&r->work, &r->lock);
		if (r->stop)
			break;
		struct slot *s = slot_at(r, r->claimed++);
		pthread_mutex_unlock(&r->lock);
		frame_check(&r->frames, &s->frame, &state);
		pthread_mutex_lock(&r->lock);
		s->checked = true;
		pthread_cond_signal(&r->ready);
	}
	pthread_mutex_unlock(&r->lock);
	compress_done(&state);
	return NULL;
}

static void stop_threads(struct image_reader *r)
{
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_cond_broadcast(&r->room);
	pthread_mutex_unlock(&r->lock);
	channel_cancel(&r->frames.in);
	pool_join(&r->pool);
	r->threads = false;
}

int image_reader_read_ahead(struct image_reader *r)
{
	unsigned n = r->n_slots - 2;

	if (r->threads || r->no_threads || r->ended)
		return r->threads;
	r->no_threads = true;
	if (channel_make_cancellable(&r->frames.in) < 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (pool_start(&r->pool, check, r) < 0)
			break;
	/* The fetching thread comes last: once it has touched the stream there is no way back. */
	r->threads = r->pool.n && pool_start(&r->pool, fetch, r) == 0;
	if (r->threads)
		r->now = NULL;
	else
		stop_threads(r);
	return r->threads;
}

int image_reader_new(struct image_reader **ret, int fd, struct pidspace_error *err)
{
	struct image_reader *r = calloc(1, sizeof *r);

	if (!r)
		return error_sys(err, -ENOMEM, "read an image");
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->ready, NULL);
	pthread_cond_init(&r->room, NULL);
	r->n_slots = (pool_cpus() < POOL_MAX - 1 ? pool_cpus() : POOL_MAX - 1) + 2;
	r->now = &r->slot[0].frame;
	int status = frame_reader_start(&r->frames, fd, err);
	if (status < 0) {
		image_reader_free(r);
		return status;
	}
	*ret = r;
	return 0;
}

void image_reader_skip_data(struct image_reader *r)
{
	r->frames.skip_data = true;
	r->no_threads = true;
}

void image_reader_defer_early(struct image_reader *r)
{
	r->frames.defer_early = true;
}

void image_reader_defer_data(struct image_reader *r)
{
	/* With the large frames left to others there is nothing to read ahead. */
	r->frames.defer_data = r->no_threads = r->frames.in.regular;
}

const struct frame_reader *image_reader_frames(const struct image_reader *r)
{
	return &r->frames;
}

/* Gives the slot of the frame before back and waits for the next one. */
static void take_fetched(struct image_reader *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->now) {
		r->taken++;
		pthread_cond_signal(&r->room);
	}
	struct slot *s = slot_at(r, r->taken);
	while (r->taken == r->fetched || !s->checked)
		pthread_cond_wait(&r->ready, &r->lock);
	pthread_mutex_unlock(&r->lock);
	r->now = &s->frame;
}

static bool index_fits(const struct image_reader *r)
{
	return !r->frames.has_index ||
	       (r->index.a == r->frames.index.a && r->index.b == r->frames.index.b);
}

static bool is_large(const struct frame_slot *s)
{
	return s->head.length >= FRAME_LARGE || s->frame.data_len >= FRAME_LARGE;
}

int image_next(struct image_reader *r, struct image_frame *ret, struct pidspace_error *err)
{
	if (!r->ended) {
		if (!r->threads && r->now->frame.type == FRAME_PAGES && is_large(r->now))
			image_reader_read_ahead(r);
		if (r->threads)
			take_fetched(r);
		else if (frame_fetch(&r->frames, r->now) > 0)
			frame_check(&r->frames, r->now, &r->state);
		if (r->now->status > 0 &&
		    (r->now->frame.type == FRAME_PAGES || r->now->frame.type == FRAME_EARLY_PAGES))
			frame_sum_entry(&r->index, &r->now->frame);
		if (!r->now->status && !index_fits(r))
			frame_index_differs(r->now);
	}
	struct frame_slot *s = r->now;
	if (s->status > 0) {
		*ret = s->frame;
		return 1;
	}
	r->ended = true;
	if (s->status < 0 && err)
		*err = s->error;
	return s->status;
}

void image_reader_free(struct image_reader *r)
{
	if (!r)
		return;
	stop_threads(r);
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		frame_slot_done(&r->slot[i].frame);
	compress_done(&r->state);
	frame_reader_done(&r->frames);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->ready);
	pthread_cond_destroy(&r->room);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
