#include "image/early.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

static const char no_memory[] = "does not fit into memory";

struct early *early_new(const struct crc32c *crc)
{
	struct early *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->crc = crc;
	e->fd = -1;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->loaded, NULL);
	return e;
}

void early_free(struct early *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < EARLY_CACHE; i++) {
		free(e->cache[i].data);
		free(e->cache[i].in);
	}
	if (e->own_fd)
		close(e->fd);
	vec_free(&e->frames);
	vec_free(&e->runs);
	vec_free(&e->rounds);
	pthread_cond_destroy(&e->loaded);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static uint64_t bytes_of(const struct early_run *r)
{
	return r->bytes & ~UINT64_C(1);
}

static bool is_zero(const struct early_run *r)
{
	return r->bytes & 1;
}

/* --- noting --- */

/* Runs come by rising address, as the tracker found them: what finds them again relies on it. */
static const char *note_runs(struct early *e, struct early_frame *f, const uint8_t *in)
{
	struct image_page_run decoded[FORMAT_MAX_RUNS];
	const char *why = format_runs_decode(decoded, in, &f->p);
	uint64_t data_at = 0;

	f->first_run = e->runs.n;
	f->start = f->p.n_runs ? decoded[0].address : 0;
	for (uint32_t i = 0; i < f->p.n_runs && !why; i++) {
		struct early_run *r = vec_push(&e->runs);
		if (!r)
			return no_memory;
		*r = (struct early_run){decoded[i].address, decoded[i].bytes | decoded[i].zero, data_at};
		if (decoded[i].address < f->end)
			why = "has early pages that do not come by rising address";
		f->end = decoded[i].address + decoded[i].bytes;
		data_at += decoded[i].zero ? 0 : decoded[i].bytes;
	}
	return why;
}

const char *early_note(struct early *e, const struct format_head *h, const uint8_t *lead, uint64_t number,
		       uint64_t offset, int fd, uint64_t at)
{
	struct early_frame *f;

	if (e->sealed)
		return "has early pages after the others";
	f = vec_push(&e->frames);
	if (!f)
		return no_memory;
	*f = (struct early_frame){.at = at, .length = h->length, .crc = h->crc, .number = number, .offset = offset};
	const char *why = format_pages_decode(&f->p, lead, h->length);
	if (!why && (f->p.earlier || !f->p.space_id || !f->p.n_runs))
		why = "has early pages of nothing";
	e->fd = fd;
	return why ? why : note_runs(e, f, lead + FORMAT_PAGES_LEN);
}

const char *early_put_aside(struct early *e, const struct format_head *h, const uint8_t *payload,
			    uint64_t number, uint64_t offset)
{
	if (e->fd < 0) {
		e->fd = memfd_create("early pages", MFD_CLOEXEC);
		e->own_fd = e->fd >= 0;
	}
	for (uint64_t done = 0; done < h->length;) {
		ssize_t n = e->fd < 0 ? -1
				      : pwrite(e->fd, payload + done, h->length - done, (off_t)(e->aside + done));
		if (n <= 0)
			return no_memory;
		done += (uint64_t)n;
	}
	uint64_t at = e->aside;
	e->aside += h->length;
	return early_note(e, h, payload, number, offset, e->fd, at);
}

/* --- finding --- */

static int by_place(const void *a, const void *b)
{
	const struct early_frame *x = a, *y = b;

	if (x->p.space_id != y->p.space_id)
		return x->p.space_id < y->p.space_id ? -1 : 1;
	if (x->p.phase != y->p.phase)
		return x->p.phase < y->p.phase ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts the frames into rounds. Under the lock. */
static const char *seal(struct early *e)
{
	if (e->sealed)
		return NULL;
	e->sealed = true;
	if (e->frames.n)
		qsort(e->frames.at, e->frames.n, sizeof *e->frames.at, by_place);
	for (size_t i = 0; i < e->frames.n; i++) {
		const struct early_frame *f = &e->frames.at[i];
		struct early_round *r = e->rounds.n ? &e->rounds.at[e->rounds.n - 1] : NULL;
		if (!r || r->id != f->p.space_id || r->round != f->p.phase) {
			r = vec_push(&e->rounds);
			if (!r)
				return no_memory;
			*r = (struct early_round){.id = f->p.space_id, .round = f->p.phase, .first = i};
		} else if (f->start < f[-1].end) {
			return "follows early pages of which one round has two copies";
		}
		r->n++;
	}
	return NULL;
}

/* The last of a round's frames that begins at or before the address, or SIZE_MAX. */
static size_t frame_at(const struct early *e, const struct early_round *r, uint64_t address)
{
	size_t lo = r->first, hi = r->first + r->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->frames.at[mid].start <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == r->first ? SIZE_MAX : lo - 1;
}

/* Does this round hold the address? If not, *until becomes the next address it holds, where that is less. */
static const struct early_run *find_in_round(const struct early *e, const struct early_round *r,
					     uint64_t address, size_t *ret_frame, uint64_t *until)
{
	size_t k = frame_at(e, r, address), next = k == SIZE_MAX ? r->first : k + 1;

	if (k != SIZE_MAX) {
		const struct early_frame *f = &e->frames.at[k];
		size_t lo = f->first_run, hi = f->first_run + f->p.n_runs, last = hi;
		while (lo < hi) {
			size_t mid = (lo + hi) / 2;
			if (e->runs.at[mid].address + bytes_of(&e->runs.at[mid]) > address)
				hi = mid;
			else
				lo = mid + 1;
		}
		*ret_frame = k;
		if (lo < last && e->runs.at[lo].address <= address)
			return &e->runs.at[lo];
		if (lo < last && e->runs.at[lo].address < *until)
			*until = e->runs.at[lo].address;
	}
	if (next < r->first + r->n && e->frames.at[next].start < *until)
		*until = e->frames.at[next].start;
	return NULL;
}

/* The latest copy of the page at address; it is the latest as far as *until. */
static const struct early_run *find(const struct early *e, uint32_t id, uint64_t address, size_t *ret_frame,
				    uint64_t *until)
{
	size_t lo = 0, hi = e->rounds.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->rounds.at[mid].id <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i-- > 0 && e->rounds.at[i].id == id;) {
		const struct early_run *r = find_in_round(e, &e->rounds.at[i], address, ret_frame, until);
		if (!r)
			continue;
		if (r->address + bytes_of(r) < *until)
			*until = r->address + bytes_of(r);
		return r;
	}
	return NULL;
}

/* --- reading again --- */

static const char *load(struct early *e, const struct early_frame *f, struct early_cached *c,
			struct compress_state *state)
{
	uint64_t lead_len = f->length - f->p.stored_len;
	_cleanup_free_ uint8_t *lead = malloc(lead_len);
	bool raw = f->p.encoding == IMAGE_NONE;

	/* Ordinary memory: a page server is forked off and goes on with what is here. */
	if (!lead || (!c->data && !(c->data = malloc(IMAGE_BLOCK))) ||
	    (!raw && !c->in && !(c->in = malloc(IMAGE_BLOCK))))
		return no_memory;
	uint8_t *stored = raw ? c->data : c->in;
	if (fd_pread_all(e->fd, lead, lead_len, (off_t)f->at) != (ssize_t)lead_len ||
	    fd_pread_all(e->fd, stored, f->p.stored_len, (off_t)(f->at + lead_len)) != (ssize_t)f->p.stored_len)
		return "names early pages that cannot be read";
	uint32_t crc = crc32c(e->crc, 0, lead, lead_len);
	if (crc32c(e->crc, crc, stored, f->p.stored_len) != f->crc)
		return "names early pages that do not match their checksum";
	if (!raw && decompress_block(state, (enum image_compress)f->p.encoding, c->data, f->p.data_len, c->in,
				     f->p.stored_len) < 0)
		return "names early pages that cannot be decompressed";
	return NULL;
}

/* A cache entry that nobody uses, the one that was not needed for longest. */
static struct early_cached *spare(struct early *e)
{
	struct early_cached *best = NULL;

	for (size_t i = 0; i < EARLY_CACHE; i++) {
		struct early_cached *c = &e->cache[i];
		if (c->state != EARLY_LOADING && !c->users && (!best || c->used < best->used))
			best = c;
	}
	return best;
}

static struct early_cached *cached(struct early *e, size_t frame)
{
	for (size_t i = 0; i < EARLY_CACHE; i++)
		if (e->cache[i].state != EARLY_EMPTY && e->cache[i].frame == frame)
			return &e->cache[i];
	return NULL;
}

/* A frame's decoded data, to be given back. Under the lock, which loading gives up. */
static const char *borrow(struct early *e, size_t frame, struct early_cached **ret, struct compress_state *state)
{
	struct early_cached *c;

	for (;;) {
		c = cached(e, frame);
		if (c && c->state == EARLY_HERE)
			break;
		if (!c && (c = spare(e))) {
			c->state = EARLY_LOADING;
			c->frame = frame;
			pthread_mutex_unlock(&e->lock);
			const char *why = load(e, &e->frames.at[frame], c, state);
			pthread_mutex_lock(&e->lock);
			c->state = why ? EARLY_EMPTY : EARLY_HERE;
			pthread_cond_broadcast(&e->loaded);
			if (why)
				return why;
			break;
		}
		pthread_cond_wait(&e->loaded, &e->lock);
	}
	c->users++;
	c->used = ++e->clock;
	*ret = c;
	return NULL;
}

static bool append(struct image_page_run *runs, size_t *n, uint64_t address, uint64_t bytes, bool zero)
{
	struct image_page_run *last = *n ? &runs[*n - 1] : NULL;

	if (last && last->zero == zero && last->address + last->bytes == address) {
		last->bytes += bytes;
		return true;
	}
	if (*n == FORMAT_MAX_RUNS)
		return false;
	runs[(*n)++] = (struct image_page_run){.address = address, .bytes = bytes, .zero = zero};
	return true;
}

const char *early_fill(struct early *e, uint32_t id, uint64_t address, uint64_t bytes, uint8_t **out,
		       struct image_page_run *runs, size_t *n, struct compress_state *state)
{
	pthread_mutex_lock(&e->lock);
	const char *why = seal(e);
	for (uint64_t at = address, end = address + bytes; at < end && !why;) {
		uint64_t until = end;
		size_t frame;
		const struct early_run *r = find(e, id, at, &frame, &until);
		if (!r)
			why = "names pages that no frame before it holds";
		else if (!append(runs, n, at, until - at, is_zero(r)))
			why = "has more runs than a block can have";
		if (r && !why && !is_zero(r)) {
			struct early_cached *c;
			uint64_t from = r->data_at + (at - r->address);
			why = borrow(e, frame, &c, state);
			if (why)
				break;
			pthread_mutex_unlock(&e->lock);
			memcpy(*out, c->data + from, until - at);
			*out += until - at;
			pthread_mutex_lock(&e->lock);
			c->users--;
			pthread_cond_broadcast(&e->loaded);
		}
		at = until;
	}
	pthread_mutex_unlock(&e->lock);
	return why;
}
