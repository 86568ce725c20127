/* Extents out of a file, by its index. Threads read and decode what is expected, so that whoever places pages only
 * waits for what nobody could foresee. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/index.h"
#include "image/pool.h"
#include "migrate/page_source.h"

/* Each may take two blocks of memory: as it is stored, and decoded. Two are for what is asked for at once. */
#define SLOTS 5
#define AHEAD (SLOTS - 2)
#define WORKERS 2

enum slot_state { SLOT_FREE, SLOT_WANTED, SLOT_READING, SLOT_READY, SLOT_LENT };

struct slot {
	enum slot_state state;
	size_t number;
	unsigned holders;  /* of a lent one: who pushes it, and who met a fault in it meanwhile */
	uint64_t asked;    /* when it was last expected */
	struct image_lens *lens;
	struct image_frame frame;
	int status;
	struct pidspace_error error;
};

struct file_source {
	struct page_source base;
	const struct image_index *index;
	struct crew crew;  /* done: a slot has changed */
	uint64_t clock; /* counts what is expected */
	struct slot slot[SLOTS];
};

static struct file_source *of(struct page_source *s)
{
	return (struct file_source *)s;
}

static struct slot *in_state(struct file_source *f, enum slot_state state)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (f->slot[i].state == state)
			return &f->slot[i];
	return NULL;
}

static struct slot *with_number(struct file_source *f, size_t number)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (f->slot[i].state != SLOT_FREE && f->slot[i].number == number)
			return &f->slot[i];
	return NULL;
}

/* Under the lock, which it gives up meanwhile. */
static void read_into(struct file_source *f, struct slot *s)
{
	s->state = SLOT_READING;
	pthread_mutex_unlock(&f->crew.lock);
	if (!s->lens)
		s->lens = image_lens_new(f->index);
	s->status = s->lens ? image_lens_read(s->lens, s->number, &s->frame, &s->error)
			    : error_sys(&s->error, -ENOMEM, "cannot read the image");
	pthread_mutex_lock(&f->crew.lock);
	s->state = SLOT_READY;
	pthread_cond_broadcast(&f->crew.done);
}

static void *work(void *arg)
{
	struct file_source *f = arg;

	pthread_mutex_lock(&f->crew.lock);
	while (!f->crew.stop) {
		struct slot *s = in_state(f, SLOT_WANTED);
		if (s)
			read_into(f, s);
		else
			pthread_cond_wait(&f->crew.work, &f->crew.lock);
	}
	pthread_mutex_unlock(&f->crew.lock);
	return NULL;
}

/* Without threads everything is read when it is fetched. */
static int begin(struct page_source *s, struct pidspace_error *err)
{
	struct file_source *f = of(s);

	for (unsigned i = 0; i < WORKERS && pool_start(&f->crew.pool, work, f) == 0; i++)
		;
	return 0;
}

static int fetch(struct page_source *s, size_t number, struct image_frame *ret, struct pidspace_error *err)
{
	struct file_source *f = of(s);

	pthread_mutex_lock(&f->crew.lock);
	struct slot *slot = with_number(f, number);
	if (!slot) {
		/* What was only expected gives way. */
		while (!(slot = in_state(f, SLOT_FREE)) && !(slot = in_state(f, SLOT_WANTED)) &&
		       !(slot = in_state(f, SLOT_READY)))
			pthread_cond_wait(&f->crew.done, &f->crew.lock);
		slot->number = number;
		slot->state = SLOT_WANTED;
	}
	if (slot->state == SLOT_WANTED)
		read_into(f, slot);
	while (slot->state == SLOT_READING)
		pthread_cond_wait(&f->crew.done, &f->crew.lock);
	int r = slot->status;
	if (r < 0) {
		slot->state = SLOT_FREE;
	} else {
		slot->state = SLOT_LENT;
		slot->holders++;
	}
	*ret = slot->frame;
	if (r < 0 && err)
		*err = slot->error;
	pthread_mutex_unlock(&f->crew.lock);
	return r;
}

static void release(struct page_source *s, size_t number)
{
	struct file_source *f = of(s);

	pthread_mutex_lock(&f->crew.lock);
	struct slot *slot = with_number(f, number);
	if (slot && --slot->holders == 0) {
		slot->state = SLOT_FREE;
		pthread_cond_broadcast(&f->crew.done);
	}
	pthread_mutex_unlock(&f->crew.lock);
}

/* Room to work ahead: a free slot, or one whose turn never came (its process has ended). */
static struct slot *room(struct file_source *f)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slot[i];
		if (s->state == SLOT_READY && f->clock - s->asked > 2 * AHEAD)
			return s;
		busy += s->state != SLOT_FREE && s->state != SLOT_LENT;
	}
	return busy < AHEAD ? in_state(f, SLOT_FREE) : NULL;
}

static void expect(struct page_source *s, size_t number)
{
	struct file_source *f = of(s);

	if (!f->crew.pool.n)
		return;
	pthread_mutex_lock(&f->crew.lock);
	f->clock++;
	struct slot *slot = with_number(f, number);
	if (!slot && (slot = room(f))) {
		slot->number = number;
		slot->state = SLOT_WANTED;
		pthread_cond_signal(&f->crew.work);
	}
	if (slot)
		slot->asked = f->clock;
	pthread_mutex_unlock(&f->crew.lock);
}

struct page_source *file_source_new(const struct image_index *index)
{
	static const struct page_source_ops ops = {begin, fetch, release, expect};
	struct file_source *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->base.ops = &ops;
	f->index = index;
	crew_init(&f->crew);
	return &f->base;
}

void file_source_free(struct page_source *s)
{
	struct file_source *f = of(s);

	if (!f)
		return;
	crew_dismiss(&f->crew);
	for (unsigned i = 0; i < SLOTS; i++)
		image_lens_free(f->slot[i].lens);
	free(f);
}
