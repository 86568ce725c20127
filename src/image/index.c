#include "image/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame_reader.h"

#define NO_LAZY "; restore it without --lazy"
#define COMMIT_FRAME_LEN (FORMAT_HEAD_LEN + FORMAT_COMMIT_LEN)
/* One entry for each frame of pages: this many would be an image of 64 TiB. */
#define MAX_ENTRIES ((uint64_t)1 << 24)

struct image_index {
	struct frame_reader frames; /* its channel is only asked where the image lies */
	uint64_t size;              /* of the stream, bytes */
	size_t n;
	struct format_entry *entry; /* of PAGES; those of EARLY_PAGES are noted in frames.early */
};

struct image_lens {
	const struct frame_reader *frames;
	const struct image_index *index; /* NULL: of a reader */
	struct compress_state state;
	struct frame_slot slot;
};

static int corrupt(struct pidspace_error *err, const char *frame, uint64_t at, const char *what)
{
	return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
			 "frame %s at byte %llu of the image %s; use another copy of the image", frame,
			 (unsigned long long)at, what);
}

static int no_index(struct pidspace_error *err)
{
	return error_set(err, -ENODATA, "E_IMAGE_INDEX",
			 "the image has no index at its end: it was cut off, or written to a pipe" NO_LAZY);
}

/* n bytes at `at` of the stream, no less. */
static int read_at(const struct image_index *x, uint64_t at, void *buf, size_t n,
		   struct pidspace_error *err)
{
	ssize_t got = fd_pread_all(x->frames.in.fd, buf, n, (off_t)(x->frames.in.base + at));

	if (got < 0)
		return error_set(err, (int)got, "E_IMAGE_READ", "the image cannot be read: %s",
				 strerror((int)-got));
	if ((size_t)got < n)
		return error_set(err, -ENODATA, "E_IMAGE_TRUNCATED",
				 "the image ends at byte %llu; use another copy of the image",
				 (unsigned long long)at + (unsigned long long)got);
	return 0;
}

/* Where the INDEX frame begins and how many entries it has, from the last bytes of the file. */
static int find_index(struct image_index *x, uint64_t *ret_at, struct pidspace_error *err)
{
	uint8_t trailer[FORMAT_TRAILER_LEN];
	uint64_t entries;
	int r;

	if (x->size < FORMAT_START_LEN + COMMIT_FRAME_LEN + FORMAT_HEAD_LEN + sizeof trailer)
		return no_index(err);
	r = read_at(x, x->size - sizeof trailer, trailer, sizeof trailer, err);
	if (r < 0)
		return r;
	if (!format_trailer_decode(trailer, ret_at, &entries))
		return no_index(err);
	if (entries > MAX_ENTRIES || *ret_at < FORMAT_START_LEN + COMMIT_FRAME_LEN || *ret_at > x->size ||
	    x->size - *ret_at != FORMAT_HEAD_LEN + entries * FORMAT_ENTRY_LEN + sizeof trailer)
		return corrupt(err, "INDEX", *ret_at, "has a wrong trailer");
	x->n = entries;
	return 0;
}

static int check_entries(const struct image_index *x, uint64_t end, struct pidspace_error *err)
{
	uint64_t before = FORMAT_START_LEN - 1;

	for (size_t i = 0; i < x->n; i++) {
		const struct format_entry *e = &x->entry[i];
		if (e->start >= e->end || (e->start | e->end) % FORMAT_PAGE || e->offset <= before ||
		    e->offset > end - FORMAT_HEAD_LEN - FORMAT_PAGES_LEN)
			return corrupt(err, "INDEX", end + COMMIT_FRAME_LEN, "has an entry that cannot be");
		before = e->offset;
	}
	return 0;
}

static int read_index(struct image_index *x, uint64_t at, struct pidspace_error *err)
{
	size_t len = x->n * FORMAT_ENTRY_LEN + FORMAT_TRAILER_LEN;
	_cleanup_free_ uint8_t *all = malloc(FORMAT_HEAD_LEN + len);
	const uint8_t *body = all + FORMAT_HEAD_LEN;
	struct format_head h;
	int r;

	x->entry = calloc(x->n + 1, sizeof *x->entry);
	if (!all || !x->entry)
		return error_sys(err, -ENOMEM, "cannot read the image's index");
	r = read_at(x, at, all, FORMAT_HEAD_LEN + len, err);
	if (r < 0)
		return r;
	if (!format_head_decode(&h, &x->frames.crc, all) || h.type != FRAME_INDEX || h.length != len ||
	    h.crc != crc32c(&x->frames.crc, 0, body, len))
		return corrupt(err, "INDEX", at, "does not match its checksum");
	for (size_t i = 0; i < x->n; i++)
		format_entry_decode(&x->entry[i], body + i * FORMAT_ENTRY_LEN);
	return check_entries(x, at - COMMIT_FRAME_LEN, err);
}

/* Frames of early pages are nothing to look for by themselves: they are noted, for those that name them. */
static int note_early(struct image_index *x, struct pidspace_error *err)
{
	struct frame_slot *s = calloc(1, sizeof *s);
	size_t n = 0;
	int r = s ? 0 : error_sys(err, -ENOMEM, "cannot read the image's index");

	for (size_t i = 0; i < x->n && r == 0; i++) {
		if (!(x->entry[i].phase & FORMAT_ENTRY_EARLY)) {
			x->entry[n++] = x->entry[i];
			continue;
		}
		if (frame_note_early_at(&x->frames, s, x->entry[i].offset) < 0) {
			r = s->status;
			if (err)
				*err = s->error;
		}
	}
	x->n = n;
	if (s)
		frame_slot_done(s);
	free(s);
	return r;
}

/* COMMIT stands right before the index. Its digest covers frames that nobody has read yet: their own checksums
 * must do. */
static int check_commit(const struct image_index *x, uint64_t index_at, struct pidspace_error *err)
{
	uint64_t at = index_at - COMMIT_FRAME_LEN;
	uint8_t all[COMMIT_FRAME_LEN];
	struct format_commit c;
	struct format_head h;
	int r = read_at(x, at, all, sizeof all, err);

	if (r < 0)
		return r;
	if (!format_head_decode(&h, &x->frames.crc, all) || h.type != FRAME_COMMIT ||
	    h.length != FORMAT_COMMIT_LEN || !(h.flags & FORMAT_INDEX_FOLLOWS) ||
	    h.crc != crc32c(&x->frames.crc, 0, all + FORMAT_HEAD_LEN, FORMAT_COMMIT_LEN))
		return corrupt(err, "COMMIT", at, "does not match its checksum");
	format_commit_decode(&c, all + FORMAT_HEAD_LEN);
	if (c.bytes != at || h.number != (uint32_t)c.frames || x->n > c.frames)
		return corrupt(err, "COMMIT", at, "does not match the frames before it");
	return 0;
}

static int open_index(struct image_index *x, int fd, struct pidspace_error *err)
{
	uint8_t start[FORMAT_START_LEN];
	struct stat st;
	uint64_t at;
	int r = channel_init(&x->frames.in, fd);

	if (r < 0 || fstat(fd, &st) < 0)
		return error_sys(err, r < 0 ? r : -errno, "read the image");
	if (!x->frames.in.regular)
		return error_set(err, -ESPIPE, "E_IMAGE_INDEX",
				 "pages can be fetched from a regular file only, this is a pipe or socket" NO_LAZY);
	crc32c_init(&x->frames.crc);
	x->frames.early = early_new(&x->frames.crc);
	if (!x->frames.early)
		return error_sys(err, -ENOMEM, "read the image");
	uint64_t size = (uint64_t)st.st_size;
	x->size = size > x->frames.in.base ? size - x->frames.in.base : 0;
	ssize_t got = fd_pread_all(fd, start, sizeof start, (off_t)x->frames.in.base);
	r = frame_reader_check_start(&x->frames, start, got, err);
	if (r == 0)
		r = find_index(x, &at, err);
	if (r == 0)
		r = check_commit(x, at, err);
	if (r == 0)
		r = read_index(x, at, err);
	return r == 0 ? note_early(x, err) : r;
}

int image_index_open(struct image_index **ret, int fd, struct pidspace_error *err)
{
	struct image_index *x = calloc(1, sizeof *x);
	int r;

	if (!x)
		return error_sys(err, -ENOMEM, "cannot read the image's index");
	r = open_index(x, fd, err);
	if (r < 0)
		image_index_free(x);
	else
		*ret = x;
	return r;
}

void image_index_free(struct image_index *x)
{
	if (!x)
		return;
	frame_reader_done(&x->frames);
	free(x->entry);
	free(x);
}

size_t image_index_count(const struct image_index *x)
{
	return x->n;
}

const struct format_entry *image_index_entry(const struct image_index *x, size_t i)
{
	return &x->entry[i];
}

struct image_lens *image_lens_new(const struct image_index *x)
{
	struct image_lens *l = calloc(1, sizeof *l);

	if (l) {
		l->frames = &x->frames;
		l->index = x;
	}
	return l;
}

struct image_lens *image_lens_on(const struct image_reader *r)
{
	struct image_lens *l = calloc(1, sizeof *l);

	if (l)
		l->frames = image_reader_frames(r);
	return l;
}

void image_lens_free(struct image_lens *l)
{
	if (!l)
		return;
	frame_slot_done(&l->slot);
	compress_done(&l->state);
	free(l);
}

/* What the slot holds now, or its error. */
static int give(struct image_lens *l, struct image_frame *ret, struct pidspace_error *err)
{
	if (l->slot.status < 0) {
		if (err)
			*err = l->slot.error;
		return l->slot.status;
	}
	*ret = l->slot.frame;
	return 0;
}

int image_lens_read(struct image_lens *l, size_t i, struct image_frame *ret, struct pidspace_error *err)
{
	const struct format_entry *e = &l->index->entry[i];

	if (frame_fetch_at(l->frames, &l->slot, e->offset) > 0 &&
	    frame_check(l->frames, &l->slot, &l->state) > 0)
		frame_check_entry(&l->slot, e);
	return give(l, ret, err);
}

int image_lens_load(struct image_lens *l, const struct image_frame *f, struct image_frame *ret,
		    struct pidspace_error *err)
{
	if (frame_fetch_at(l->frames, &l->slot, f->offset) > 0)
		frame_check(l->frames, &l->slot, &l->state);
	return give(l, ret, err);
}
