/* The writing end. One ordered sequence of bytes has three sources that must not wait for each other:
 * metadata frames are collected in `stage`; blocks of pages are prepared by workers and written by one
 * thread in the order they were given; small blocks of an idle writer go to `stage` as well, so that a
 * tree of many little processes needs neither threads nor many system calls.
 *
 *     caller ── image_write ──► stage ─┐ (swapped into the next block as what is written before it)
 *     caller ── image_write_pages ──► ring: QUEUED ─ worker ─► READY ─ writing thread ─► fd
 *
 * A block that is not compressed is READY at once: whoever gives it has prepared it, in his cache. Which blocks are
 * compressed depends on who waits for whom (effort.h), and the writing thread sees that.
 * Whatever is staged comes after every block in the ring. "Idle" means the ring is empty; then, and
 * only then, the caller writes to the descriptor itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/vec.h"
#include "image/channel.h"
#include "image/effort.h"
#include "image/page_block.h"
#include "image/pool.h"

#define SPARE 4        /* blocks that are read, written, or wait to be */
#define SPARE_PACKED 8 /* the same while others are compressed: raw ones are written in a quarter of that time */
#define SLOTS_MAX (POOL_MAX + SPARE_PACKED)
#define STAGE ((size_t)512 << 10)
#define SMALL ((size_t)128 << 10) /* bytes of pages that the caller prepares itself */
#define SMALL_PACKED ((size_t)32 << 10) /* the same when they are compressed */

enum slot_state { SLOT_FREE, SLOT_LENT, SLOT_QUEUED, SLOT_READY };

struct slot {
	struct page_block block;
	enum slot_state state;
	uint8_t *before; /* staged bytes that come first */
	size_t before_len;
};

struct image_writer {
	struct channel out;
	enum image_compress compress;
	int level;
	bool adapts;               /* not everything has to be compressed */
	struct crc32c crc;
	struct compress_state own; /* of callers, under the lock */

	pthread_mutex_t lock;
	pthread_cond_t work, ready, done;
	struct pool pool;
	bool threads, no_threads, stop;

	/* under the lock */
	unsigned n_slots, n_free;
	struct effort effort; /* and who is at work */
	uint64_t raw_bytes;
	struct slot *free_slot[SLOTS_MAX]; /* a stack: the hottest buffer first */
	struct slot *ring[SLOTS_MAX];
	struct slot *todo[SLOTS_MAX];  /* to be compressed */
	uint64_t asked, claimed;       /* blocks to be compressed, ever: all, and taken by a worker */
	uint64_t queued, written;      /* blocks, ever */
	uint8_t *stage;
	size_t stage_len;
	uint64_t frames, bytes;
	struct format_digest digest;
	VEC(struct format_entry) index;
	struct pidspace_error error; /* status 0: none. The first one stays */
	bool committed;

	struct iovec iov[FORMAT_MAX_RUNS + 2]; /* of whoever writes */
	struct slot slot[SLOTS_MAX];
};

/* --- writing to the descriptor: the writing thread, or a caller while idle --- */

/* Sets the error that every later call answers with. Under the lock. */
static void fail(struct image_writer *w, int status)
{
	if (w->error.status)
		return;
	if (status == -ECANCELED)
		error_set(&w->error, status, "E_CANCELED", "whoever asked for it has gone; the container runs on");
	else
		error_set(&w->error, status, "E_IMAGE_WRITE",
		  "the image cannot be written at byte %llu: %s%s", (unsigned long long)w->out.pos,
		  strerror(-status), channel_advice(status));
}

static int answer(struct image_writer *w, struct pidspace_error *err)
{
	if (w->error.status && err)
		*err = w->error;
	return w->error.status;
}

static void flush_stage(struct image_writer *w)
{
	struct iovec iov = {w->stage, w->stage_len};

	if (!w->error.status && w->stage_len) {
		int r = channel_write(&w->out, &iov, 1);
		if (r < 0)
			fail(w, r);
		w->bytes = w->out.pos;
	}
	w->stage_len = 0;
}

static void note_entry(struct image_writer *w, const struct format_entry *entry)
{
	struct format_entry *e = w->out.regular ? vec_push(&w->index) : NULL;

	if (e)
		*e = *entry;
	else if (w->out.regular)
		fail(w, -ENOMEM);
}

/* What the commit and the index need to know of a block whose frame begins at byte `at`. */
static void count_block(struct image_writer *w, const struct page_block *b, uint64_t at)
{
	const struct format_entry e = {.space_id = b->space_id,
				       .phase = b->phase | (b->type == FRAME_EARLY_PAGES ? FORMAT_ENTRY_EARLY : 0),
				       .start = b->start, .end = b->end, .offset = at};

	format_digest_add(&w->digest, b->lead);
	note_entry(w, &e);
}

/* Writes what is before the block and the block; straight from the buffers. Without the lock. */
static int write_block(struct image_writer *w, struct slot *s, uint64_t *ret_at)
{
	struct page_block *b = &s->block;
	size_t n = 2;

	*ret_at = w->out.pos + s->before_len;
	w->iov[0] = (struct iovec){s->before, s->before_len};
	w->iov[1] = (struct iovec){b->lead, page_block_encode(b, w->out.base + *ret_at, &w->crc)};
	for (size_t i = 0; i < b->n_pieces; i++)
		w->iov[n++] = b->piece[i];
	return channel_write(&w->out, w->iov, n);
}

static void note(struct image_writer *w)
{
	if (w->adapts)
		effort_note(&w->effort, effort_now());
}

static void release(struct image_writer *w, struct slot *s)
{
	w->effort.lent -= s->state == SLOT_LENT;
	note(w);
	s->state = SLOT_FREE;
	s->before_len = 0;
	w->free_slot[w->n_free++] = s;
	pthread_cond_broadcast(&w->done);
}

/* --- threads --- */

static void *work(void *arg)
{
	struct image_writer *w = arg;
	struct compress_state state = {0};

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->stop && w->claimed == w->asked)
			pthread_cond_wait(&w->work, &w->lock);
		if (w->stop)
			break;
		struct slot *s = w->todo[w->claimed++ % SLOTS_MAX];
		pthread_mutex_unlock(&w->lock);
		page_block_prepare(&s->block, w->compress, w->level, &state, &w->crc);
		pthread_mutex_lock(&w->lock);
		s->state = SLOT_READY;
		w->effort.packing--;
		note(w);
		pthread_cond_signal(&w->ready);
	}
	pthread_mutex_unlock(&w->lock);
	compress_done(&state);
	return NULL;
}

/* The writing thread waits: for a block, or until one is compressed. */
static void wait_for_block(struct image_writer *w)
{
	bool packing = w->written != w->queued;
	struct effort_mark from;

	note(w);
	effort_mark(&w->effort, &from);
	pthread_cond_wait(&w->ready, &w->lock);
	note(w);
	if (w->adapts && w->written) /* nobody could be quicker with the first */
		effort_waited(&w->effort, &from, packing, packing && channel_busy(&w->out));
}

/* Gives up the lock meanwhile. */
static int write_and_learn(struct image_writer *w, struct slot *s, uint64_t *ret_at)
{
	struct effort_mark from, to;

	w->effort.writing = true;
	note(w);
	effort_mark(&w->effort, &from);
	pthread_mutex_unlock(&w->lock);
	int r = write_block(w, s, ret_at);
	effort_mark(&w->effort, &to);
	pthread_mutex_lock(&w->lock);
	w->effort.writing = false;
	note(w);
	effort_wrote(&w->effort, &from, &to);
	return r;
}

static void *write_in_order(void *arg)
{
	struct image_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct slot *s = w->ring[w->written % SLOTS_MAX];
		if (w->stop)
			break;
		if (w->written == w->queued || s->state != SLOT_READY) {
			wait_for_block(w);
			continue;
		}
		if (!w->error.status) {
			uint64_t at;
			int r = write_and_learn(w, s, &at);
			if (r < 0)
				fail(w, r);
			else
				count_block(w, &s->block, at);
			w->bytes = w->out.pos;
		}
		w->written++;
		release(w, s);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Raw blocks only need a look and a checksum: done while they are in the caller's cache, that and reading them
 * takes less time than writing them takes the other thread. Small blocks are those of many little processes, where time
 * goes elsewhere: they are always compressed. */
static bool stays_raw(struct image_writer *w, size_t bytes)
{
	if (w->compress == IMAGE_NONE)
		return true;
	if (!w->adapts || bytes <= SMALL || effort_wants(&w->effort))
		return false;
	w->raw_bytes += bytes;
	return true;
}

static void stop_threads(struct image_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->work);
	pthread_cond_broadcast(&w->ready);
	pthread_mutex_unlock(&w->lock);
	channel_cancel(&w->out);
	pool_join(&w->pool);
	w->threads = false;
}

/* Under the lock, idle. Without threads (limits) everything is done by the caller. */
static void start_threads(struct image_writer *w)
{
	unsigned n = w->compress == IMAGE_NONE ? 0 : w->n_slots - SPARE_PACKED;

	if (w->threads || w->no_threads)
		return;
	if (channel_make_cancellable(&w->out) < 0 || pool_start(&w->pool, write_in_order, w) < 0) {
		w->no_threads = true;
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (pool_start(&w->pool, work, w) < 0)
			break;
	w->threads = w->pool.n > 1 || !n;
	if (!w->threads) {
		w->no_threads = true;
		pthread_mutex_unlock(&w->lock);
		stop_threads(w);
		pthread_mutex_lock(&w->lock);
	}
}

/* --- callers --- */

int image_writer_open(struct image_writer **ret, int fd, const struct image_options *o, struct pidspace_error *err)
{
	static const uint64_t features[] = {0, FORMAT_FEATURE_LZ4, FORMAT_FEATURE_ZSTD};
	struct image_writer *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return error_sys(err, -ENOMEM, "write an image");
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->ready, NULL);
	pthread_cond_init(&w->done, NULL);
	crc32c_init(&w->crc);
	w->compress = o->compress;
	w->level = o->level ? o->level : 1;
	w->adapts = !o->level;
	effort_init(&w->effort, pool_cpus());
	w->n_slots = (w->effort.cpus < POOL_MAX - 1 ? w->effort.cpus : POOL_MAX - 1) +
		     (w->compress == IMAGE_NONE ? SPARE : SPARE_PACKED);
	for (unsigned i = 0; i < w->n_slots; i++)
		w->free_slot[w->n_free++] = &w->slot[i];
	r = channel_init(&w->out, fd);
	w->stage = r < 0 ? NULL : malloc(STAGE);
	if (!w->stage) {
		image_writer_free(w);
		return error_sys(err, r < 0 ? r : -ENOMEM, "write an image");
	}
	w->out.asker = o->asker ? o->asker : -1;
	if (o->sync)
		channel_sync_behind(&w->out);
	format_start(w->stage, &w->crc, features[o->compress] | (o->early ? FORMAT_FEATURE_EARLY : 0));
	w->stage_len = FORMAT_START_LEN;
	flush_stage(w); /* a descriptor that cannot be written shows before anything is stopped */
	r = answer(w, err);
	if (r < 0) {
		image_writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int image_writer_new(struct image_writer **ret, int fd, enum image_compress c, struct pidspace_error *err)
{
	return image_writer_open(ret, fd, &(struct image_options){.compress = c, .level = 1}, err);
}

static void wait_idle(struct image_writer *w)
{
	w->effort.waiting++;
	note(w);
	while (w->written != w->queued)
		pthread_cond_wait(&w->done, &w->lock);
	w->effort.waiting--;
}

/* Room for n bytes in the stage, at most STAGE. */
static void stage_room(struct image_writer *w, size_t n)
{
	if (w->stage_len + n <= STAGE)
		return;
	wait_idle(w);
	flush_stage(w);
}

static void stage_put(struct image_writer *w, const void *p, size_t n)
{
	if (n)
		memcpy(w->stage + w->stage_len, p, n);
	w->stage_len += n;
}

/* One frame out of the caller's memory. Under the lock, which waiting gives up, so the frame gets its
 * number only when nothing can come before it any more. */
static void put_frame(struct image_writer *w, uint16_t type, uint16_t flags, const void *body,
		      size_t len)
{
	bool staged = len <= STAGE / 2;
	uint8_t head[FORMAT_HEAD_LEN];
	struct format_head h = {
		.type = type, .flags = flags, .length = len, .crc = crc32c(&w->crc, 0, body, len)};

	if (!staged)
		wait_idle(w);
	stage_room(w, sizeof head + (staged ? len : 0));
	h.number = (uint32_t)w->frames++;
	format_head_encode(head, &w->crc, &h);
	format_digest_add(&w->digest, head);
	stage_put(w, head, sizeof head);
	if (staged) {
		stage_put(w, body, len);
		return;
	}
	flush_stage(w);
	struct iovec iov = {(void *)body, len};
	int r = w->error.status ? 0 : channel_write(&w->out, &iov, 1);
	if (r < 0)
		fail(w, r);
	w->bytes = w->out.pos;
}

static int check_open(struct image_writer *w, struct pidspace_error *err)
{
	if (w->error.status)
		return answer(w, err);
	if (w->committed)
		return error_set(err, -EINVAL, "E_IMAGE_WRITE",
				 "the image is complete, nothing can be added");
	return 0;
}

int image_write(struct image_writer *w, uint16_t type, const void *body, size_t len,
		struct pidspace_error *err)
{
	if (type == FRAME_PAGES || type == FRAME_EARLY_PAGES || type >= FRAME_COMMIT || len > FORMAT_MAX_METADATA)
		return error_set(err, -EINVAL, "E_IMAGE_WRITE",
				 "a frame of type %u and %zu bytes cannot be written", type, len);
	pthread_mutex_lock(&w->lock);
	int r = check_open(w, err);
	if (!r) {
		put_frame(w, type, 0, body, len);
		r = answer(w, err);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void *image_page_buffer(struct image_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->effort.waiting++;
	note(w);
	while (!w->n_free)
		pthread_cond_wait(&w->done, &w->lock);
	w->effort.waiting--;
	struct slot *s = w->free_slot[--w->n_free];
	if (!s->block.data && !(s->block.data = page_block_map(IMAGE_BLOCK))) {
		w->free_slot[w->n_free++] = s;
	} else {
		s->state = SLOT_LENT;
		w->effort.lent++;
		note(w);
	}
	pthread_mutex_unlock(&w->lock);
	return s->block.data;
}

/* The block is written by the caller, and prepared unless it is raw: into the stage if it is small. Idle. */
static void put_block(struct image_writer *w, struct slot *s, bool raw)
{
	struct page_block *b = &s->block;
	uint64_t at = 0;

	b->number = (uint32_t)w->frames++;
	if (!raw)
		page_block_prepare(b, w->compress, w->level, &w->own, &w->crc);
	size_t most = FORMAT_HEAD_LEN + FORMAT_MAX_LEAD + b->pages.stored_len;
	if (most <= STAGE) {
		stage_room(w, most);
		at = w->out.pos + w->stage_len;
		stage_put(w, b->lead, page_block_encode(b, w->out.base + at, &w->crc));
		for (size_t i = 0; i < b->n_pieces; i++)
			stage_put(w, b->piece[i].iov_base, b->piece[i].iov_len);
	} else {
		flush_stage(w);
		int r = w->error.status ? 0 : write_block(w, s, &at);
		if (r < 0)
			fail(w, r);
		w->bytes = w->out.pos;
		if (w->error.status)
			return;
	}
	count_block(w, b, at);
}

static int queue_block(struct image_writer *w, struct slot *s, bool raw)
{
	if (!s->before && !(s->before = malloc(STAGE)))
		return -ENOMEM;
	uint8_t *empty = s->before;
	s->block.number = (uint32_t)w->frames++;
	s->before = w->stage;
	s->before_len = w->stage_len;
	w->stage = empty;
	w->stage_len = 0;
	w->effort.lent--;
	s->state = raw ? SLOT_READY : SLOT_QUEUED;
	w->ring[w->queued++ % SLOTS_MAX] = s;
	if (!raw) {
		w->todo[w->asked++ % SLOTS_MAX] = s;
		w->effort.packing++;
	}
	note(w);
	pthread_cond_signal(raw ? &w->ready : &w->work);
	return 0;
}

static struct slot *slot_of(struct image_writer *w, const void *buffer)
{
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slot[i].state == SLOT_LENT && w->slot[i].block.data == buffer)
			return &w->slot[i];
	return NULL;
}

static int write_block_of(struct image_writer *w, uint16_t type, uint32_t space_id, uint32_t phase, void *buffer,
			  const struct image_run *runs, size_t n_runs, struct pidspace_error *err)
{
	pthread_mutex_lock(&w->lock);
	struct slot *s = slot_of(w, buffer);
	int r = check_open(w, err);

	if (!r && !s)
		r = error_set(err, -EINVAL, "E_IMAGE_WRITE",
			      "pages came in a buffer that was not lent");
	if (!r && page_block_give(&s->block, runs, n_runs) < 0)
		r = error_set(err, -EINVAL, "E_IMAGE_WRITE",
			      "runs of address space %u are not whole pages of one buffer",
			      space_id);
	if (r || !n_runs) {
		if (s)
			release(w, s);
		pthread_mutex_unlock(&w->lock);
		return r;
	}
	s->block.type = type;
	s->block.space_id = space_id;
	s->block.phase = phase;
	size_t bytes = 0;
	for (size_t i = 0; i < n_runs; i++)
		bytes += runs[i].bytes;
	bool raw = stays_raw(w, bytes);
	if (raw) {
		pthread_mutex_unlock(&w->lock);
		page_block_prepare(&s->block, IMAGE_NONE, 0, NULL, &w->crc);
		pthread_mutex_lock(&w->lock);
	}
	bool idle = w->written == w->queued;
	bool small = bytes <= (w->compress == IMAGE_NONE ? SMALL : SMALL_PACKED);
	if (idle && !small)
		start_threads(w);
	if (w->threads && !(idle && small) && queue_block(w, s, raw) == 0) {
		r = answer(w, err);
	} else {
		wait_idle(w);
		put_block(w, s, raw);
		release(w, s);
		r = answer(w, err);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

int image_write_pages(struct image_writer *w, uint32_t space_id, uint32_t phase, void *buffer,
		      const struct image_run *runs, size_t n_runs, struct pidspace_error *err)
{
	return write_block_of(w, FRAME_PAGES, space_id, phase, buffer, runs, n_runs, err);
}

int image_write_early_pages(struct image_writer *w, uint32_t id, uint32_t round, void *buffer,
			    const struct image_run *runs, size_t n_runs, struct pidspace_error *err)
{
	return write_block_of(w, FRAME_EARLY_PAGES, id, round, buffer, runs, n_runs, err);
}

/* No data, so it is as small as a message and is written like one. Its place must be known for the index,
 * hence nothing may be under way. */
int image_write_earlier(struct image_writer *w, uint32_t space_id, uint32_t phase, uint32_t id,
			const struct image_run *runs, size_t n_runs, struct pidspace_error *err)
{
	struct format_pages p = {.space_id = space_id, .phase = phase, .earlier = id, .n_runs = (uint32_t)n_runs};
	struct format_entry e = {.space_id = space_id, .phase = phase, .start = UINT64_MAX};
	size_t len = FORMAT_PAGES_LEN + n_runs * FORMAT_RUN_LEN;
	uint8_t body[FORMAT_PAGES_LEN + FORMAT_MAX_RUNS * FORMAT_RUN_LEN];

	if (!n_runs || n_runs > FORMAT_MAX_RUNS)
		return n_runs ? error_set(err, -EINVAL, "E_IMAGE_WRITE", "too many runs for one frame") : 0;
	format_pages_encode(body, &p);
	for (size_t i = 0; i < n_runs; i++) {
		format_run_encode(body + FORMAT_PAGES_LEN + i * FORMAT_RUN_LEN, runs[i].address, runs[i].bytes,
				  false);
		e.start = runs[i].address < e.start ? runs[i].address : e.start;
		e.end = runs[i].address + runs[i].bytes > e.end ? runs[i].address + runs[i].bytes : e.end;
	}
	pthread_mutex_lock(&w->lock);
	int r = check_open(w, err);
	if (!r) {
		wait_idle(w);
		stage_room(w, FORMAT_HEAD_LEN + len);
		e.offset = w->out.pos + w->stage_len;
		put_frame(w, FRAME_PAGES, 0, body, len);
		note_entry(w, &e);
		r = answer(w, err);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* Writes the frame's entries and the trailer. Idle. */
static void put_index(struct image_writer *w)
{
	size_t len = w->index.n * FORMAT_ENTRY_LEN + FORMAT_TRAILER_LEN;
	uint64_t at = w->out.pos + w->stage_len;
	uint8_t *body = malloc(len), *p = body;

	if (!body) {
		fail(w, -ENOMEM);
		return;
	}
	vec_each(e, &w->index)
	{
		format_entry_encode(p, e);
		p += FORMAT_ENTRY_LEN;
	}
	format_trailer_encode(p, at, w->index.n);
	put_frame(w, FRAME_INDEX, 0, body, len);
	free(body);
}

/* Idle. */
static void sync_all(struct image_writer *w)
{
	int r = w->error.status ? 0 : channel_sync(&w->out);

	if (r < 0)
		error_set(&w->error, r, "E_IMAGE_WRITE", "the image cannot be brought to its disk: %s%s", strerror(-r),
			  channel_advice(r));
}

int image_commit(struct image_writer *w, struct pidspace_error *err)
{
	uint8_t body[FORMAT_COMMIT_LEN];

	pthread_mutex_lock(&w->lock);
	int r = check_open(w, err);
	if (!r) {
		wait_idle(w);
		stage_room(w, FORMAT_HEAD_LEN + sizeof body);
		struct format_commit c = {.frames = w->frames,
					  .bytes = w->out.pos + w->stage_len,
					  .digest = w->digest};
		format_commit_encode(body, &c);
		put_frame(w, FRAME_COMMIT, w->out.regular ? FORMAT_INDEX_FOLLOWS : 0, body,
			  sizeof body);
		if (w->out.regular)
			put_index(w);
		flush_stage(w);
		sync_all(w);
		w->committed = true;
		r = answer(w, err);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

uint64_t image_bytes_written(const struct image_writer *w)
{
	struct image_writer *locked = (struct image_writer *)w;

	pthread_mutex_lock(&locked->lock);
	uint64_t n = w->bytes;
	pthread_mutex_unlock(&locked->lock);
	return n;
}

uint64_t image_bytes_raw(const struct image_writer *w)
{
	struct image_writer *locked = (struct image_writer *)w;

	pthread_mutex_lock(&locked->lock);
	uint64_t n = w->raw_bytes;
	pthread_mutex_unlock(&locked->lock);
	return n;
}

void image_writer_free(struct image_writer *w)
{
	if (!w)
		return;
	stop_threads(w);
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		page_block_unmap(w->slot[i].block.data, IMAGE_BLOCK);
		page_block_unmap(w->slot[i].block.packed, IMAGE_BLOCK);
		free(w->slot[i].before);
	}
	free(w->stage);
	vec_free(&w->index);
	compress_done(&w->own);
	channel_done(&w->out);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->ready);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
