#include "image/frame_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame_table.h"
#include "image/page_block.h"

#define IN_SIZE (FORMAT_MAX_LEAD + IMAGE_BLOCK)
/* What is allocated for a metadata frame before its bytes have come. */
#define BODY_STEP ((size_t)1 << 20)

#define ANOTHER_COPY "; use another copy of the image"

/* Sentences about one frame begin with where it is. */
__attribute__((format(printf, 4, 5))) static int bad(struct frame_slot *s, int status,
						     const char *code, const char *fmt, ...)
{
	char what[512], name[32] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (s->head.type)
		snprintf(name, sizeof name, " (%s)", frame_name(s->head.type));
	s->status = error_set(&s->error, status, code, "frame %llu%s at byte %llu of the image %s",
			      (unsigned long long)s->frame.number, name,
			      (unsigned long long)s->frame.offset, what);
	return s->status;
}

static int corrupt(struct frame_slot *s, const char *what)
{
	return bad(s, -EBADMSG, "E_IMAGE_CORRUPT", "%s" ANOTHER_COPY, what);
}

/* After channel_read() of `want` bytes gave `got`: 0 when all came. */
static int check_read(struct frame_slot *s, ssize_t got, uint64_t want)
{
	if (got < 0)
		return bad(s, (int)got, "E_IMAGE_READ", "cannot be read: %s", strerror((int)-got));
	if ((uint64_t)got < want)
		return bad(s, -ENODATA, "E_IMAGE_TRUNCATED",
			   "is cut off: %llu of %llu bytes are there" ANOTHER_COPY,
			   (unsigned long long)got, (unsigned long long)want);
	return 0;
}

int frame_reader_start(struct frame_reader *r, int fd, struct pidspace_error *err)
{
	uint8_t start[FORMAT_START_LEN];
	int status = channel_init(&r->in, fd);

	if (status < 0)
		return error_sys(err, status, "read the image");
	crc32c_init(&r->crc);
	r->early = early_new(&r->crc);
	if (!r->early)
		return error_sys(err, -ENOMEM, "read the image");
	return frame_reader_check_start(r, start, channel_read(&r->in, start, sizeof start), err);
}

int frame_reader_check_start(struct frame_reader *r, const uint8_t start[FORMAT_START_LEN], ssize_t got,
			     struct pidspace_error *err)
{
	if (got < 0)
		return error_set(err, (int)got, "E_IMAGE_READ", "the image cannot be read: %s",
				 strerror((int)-got));
	size_t magic = (size_t)got < 8 ? (size_t)got : 8;
	if (memcmp(start, FORMAT_MAGIC, magic))
		return error_set(
			err, -EINVAL, "E_IMAGE_MAGIC",
			"this is not an image of pidspace: it does not begin with \"" FORMAT_MAGIC
			"\" (byte 0, before frame 0)");
	if ((size_t)got < FORMAT_START_LEN)
		return error_set(err, -ENODATA, "E_IMAGE_TRUNCATED",
				 "the image ends at byte %zd, before frame 0" ANOTHER_COPY, got);
	uint32_t version = format_get32(start + 8);
	if (version > FORMAT_VERSION)
		return error_set(
			err, -EPROTONOSUPPORT, "E_IMAGE_VERSION",
			"the image has format version %u (byte 8, before frame 0), newer than "
			"version %u known here; use a newer pidspace",
			version, FORMAT_VERSION);
	if (!version || format_get32(start + 20) != crc32c(&r->crc, 0, start, 20))
		return error_set(
			err, -EBADMSG, "E_IMAGE_CORRUPT",
			"the start of the image (byte 0, before frame 0) does not match its "
			"checksum" ANOTHER_COPY);
	r->features = format_get64(start + 12);
	if (r->features & ~FORMAT_FEATURES)
		return error_set(
			err, -EPROTONOSUPPORT, "E_IMAGE_FEATURE",
			"the image needs features 0x%llx (byte 12, before frame 0) that this "
			"version does not know; use a newer pidspace",
			(unsigned long long)(r->features & ~FORMAT_FEATURES));
	return 0;
}

void frame_reader_done(struct frame_reader *r)
{
	channel_done(&r->in);
	early_free(r->early);
}

void frame_slot_done(struct frame_slot *s)
{
	page_block_unmap(s->room, IN_SIZE + FORMAT_PAGE);
	page_block_unmap(s->data, IMAGE_BLOCK);
	free(s->body);
}

/* For a payload that begins at `at` of the file, or of the stream where there is none. */
static int make_room(struct frame_slot *s, uint64_t at)
{
	if (!s->room && !(s->room = page_block_map(IN_SIZE + FORMAT_PAGE)))
		return bad(s, -ENOMEM, "E_SYS", "does not fit into memory");
	s->in = s->room + at % FORMAT_PAGE;
	return 0;
}

/* Reads on from the fixed part, which is there: the runs only, the data is passed over. */
static int skip_data(struct frame_reader *r, struct frame_slot *s, const struct format_pages *p)
{
	uint64_t runs = (uint64_t)p->n_runs * FORMAT_RUN_LEN, left = s->head.length - FORMAT_PAGES_LEN - runs;

	s->skipped = true;
	if (check_read(s, channel_read(&r->in, s->in + FORMAT_PAGES_LEN, runs), runs) < 0)
		return s->status;
	return check_read(s, (ssize_t)channel_skip(&r->in, left), left);
}

static int fetch_pages(struct frame_reader *r, struct frame_slot *s)
{
	bool early = s->head.type == FRAME_EARLY_PAGES, skip = r->skip_data || (r->defer_early && early);
	uint64_t n = s->head.length, left = n - FORMAT_PAGES_LEN;
	struct format_pages p;

	if (n > IN_SIZE)
		return corrupt(s, "claims more bytes than pages can have");
	if (make_room(s, r->in.base + r->in.pos) < 0)
		return s->status;
	s->skipped = false;
	s->later = r->defer_data && !early;
	if (!r->in.regular || !(skip || s->later))
		return check_read(s, channel_read(&r->in, s->in, n), n);
	if (n < FORMAT_PAGES_LEN)
		return corrupt(s, "is too short for pages");
	if (check_read(s, channel_read(&r->in, s->in, FORMAT_PAGES_LEN), FORMAT_PAGES_LEN) < 0)
		return s->status;
	const char *why = format_pages_decode(&p, s->in, n);
	if (why)
		return corrupt(s, why);
	if (skip || p.data_len >= FRAME_LARGE)
		return skip_data(r, s, &p);
	return check_read(s, channel_read(&r->in, s->in + FORMAT_PAGES_LEN, left), left);
}

/* Early pages wait for the frames that name them. Noting them belongs here, where frames come in order. */
static int fetch_early(struct frame_reader *r, struct frame_slot *s)
{
	uint64_t at = s->frame.offset + FORMAT_HEAD_LEN;
	const char *why;

	if (!(r->features & FORMAT_FEATURE_EARLY) || r->pages_begun)
		return corrupt(s, "holds early pages where none can be");
	r->n_pages++;
	if (fetch_pages(r, s) < 0)
		return s->status;
	if (r->in.regular)
		why = early_note(r->early, &s->head, s->in, s->frame.number, s->frame.offset, r->in.fd,
				 r->in.base + at);
	else
		why = early_put_aside(r->early, &s->head, s->in, s->frame.number, s->frame.offset);
	return why ? corrupt(s, why) : 0;
}

/* Memory grows with what really came: a length alone costs the sender nothing. */
static int fetch_body(struct frame_reader *r, struct frame_slot *s)
{
	uint64_t n = s->head.length, done = 0;

	if (n > FORMAT_MAX_METADATA)
		return corrupt(s, "claims more bytes than a message can have");
	if (n > channel_left(&r->in))
		return check_read(s, (ssize_t)channel_left(&r->in), n);
	do {
		uint64_t step = done ? done : BODY_STEP;
		if (step > n - done)
			step = n - done;
		if (done + step > s->body_size || !s->body) {
			size_t size = done + step < 4096 ? 4096 : done + step;
			uint8_t *more = realloc(s->body, size);
			if (!more)
				return bad(s, -ENOMEM, "E_SYS", "does not fit into memory");
			s->body = more;
			s->body_size = size;
		}
		ssize_t got = channel_read(&r->in, s->body + done, step);
		if (check_read(s, got < 0 ? got : (ssize_t)done + got, done + step) < 0)
			return s->status;
		done += step;
	} while (done < n);
	return 0;
}

static int fetch_head(struct frame_reader *r, struct frame_slot *s)
{
	uint8_t head[FORMAT_HEAD_LEN];

	s->head = (struct format_head){0};
	s->frame =
		(struct image_frame){.number = r->frames, .offset = r->in.pos, .file_offset = -1};
	s->status = 0;
	ssize_t got = channel_read(&r->in, head, sizeof head);
	if (!got)
		return bad(s, -ENODATA, "E_IMAGE_TRUNCATED",
			   "is missing: the image ends without its commit frame" ANOTHER_COPY);
	if (check_read(s, got, sizeof head) < 0)
		return s->status;
	struct format_head h;
	if (!format_head_decode(&h, &r->crc, head))
		return corrupt(s, "has a header that does not match its checksum");
	s->head = h;
	if (h.number != (uint32_t)r->frames)
		return corrupt(s, "stands in the place of another one");
	if (!h.type || h.flags & ~(h.type == FRAME_COMMIT ? FORMAT_INDEX_FOLLOWS : 0))
		return corrupt(s, "has an unknown flag or no type");
	if (h.type != FRAME_COMMIT)
		format_digest_add(&r->digest, head);
	r->frames++;
	return 0;
}

/* most: how much of the payload is wanted. */
static int fetch_at(const struct frame_reader *r, struct frame_slot *s, uint64_t offset, uint16_t type, uint64_t most)
{
	uint8_t head[FORMAT_HEAD_LEN];
	off_t at = (off_t)(r->in.base + offset);

	s->head = (struct format_head){0};
	s->frame = (struct image_frame){.offset = offset, .file_offset = -1};
	s->skipped = false;
	s->status = 0;
	if (check_read(s, fd_pread_all(r->in.fd, head, sizeof head, at), sizeof head) < 0)
		return s->status;
	if (!format_head_decode(&s->head, &r->crc, head))
		return corrupt(s, "has a header that does not match its checksum");
	s->frame.number = s->head.number;
	if (s->head.type != type || s->head.flags || s->head.length > IN_SIZE)
		return corrupt(s, "is not the frame of pages that the index promises");
	if (make_room(s, (uint64_t)at + FORMAT_HEAD_LEN) < 0)
		return s->status;
	uint64_t n = s->head.length < most ? s->head.length : most;
	if (check_read(s, fd_pread_all(r->in.fd, s->in, n, at + FORMAT_HEAD_LEN), n) < 0)
		return s->status;
	return s->status = 1;
}

int frame_fetch_at(const struct frame_reader *r, struct frame_slot *s, uint64_t offset)
{
	return fetch_at(r, s, offset, FRAME_PAGES, UINT64_MAX);
}

int frame_note_early_at(struct frame_reader *r, struct frame_slot *s, uint64_t offset)
{
	const size_t lead = FORMAT_PAGES_LEN + FORMAT_MAX_RUNS * FORMAT_RUN_LEN;

	if (fetch_at(r, s, offset, FRAME_EARLY_PAGES, lead) < 0)
		return s->status;
	const char *why = early_note(r->early, &s->head, s->in, s->frame.number, offset, r->in.fd,
				     r->in.base + offset + FORMAT_HEAD_LEN);
	return why ? corrupt(s, why) : s->status;
}

/* What the index must say of a frame. */
static struct format_entry entry_of(const struct image_frame *f)
{
	struct format_entry e = {.space_id = f->space_id,
				 .phase = f->phase | (f->type == FRAME_EARLY_PAGES ? FORMAT_ENTRY_EARLY : 0),
				 .start = UINT64_MAX,
				 .offset = f->offset};

	for (size_t i = 0; i < f->n_runs; i++) {
		const struct image_page_run *run = &f->runs[i];
		if (run->address < e.start)
			e.start = run->address;
		if (run->address + run->bytes > e.end)
			e.end = run->address + run->bytes;
	}
	return e;
}

int frame_check_entry(struct frame_slot *s, const struct format_entry *e)
{
	struct format_entry is = entry_of(&s->frame);

	if (is.space_id != e->space_id || is.phase != e->phase || is.start != e->start || is.end != e->end)
		return corrupt(s, "is not the frame of pages that the index promises");
	return s->status;
}

/* The entries of the index are compared with the frames that were seen, as two sums of hashes. */
static void sum_entry(struct format_digest *d, const uint8_t e[FORMAT_ENTRY_LEN])
{
	format_digest_add(d, e);
	format_digest_add(d, e + FORMAT_ENTRY_LEN - FORMAT_HEAD_LEN);
}

void frame_sum_entry(struct format_digest *sum, const struct image_frame *f)
{
	uint8_t part[FORMAT_ENTRY_LEN];
	struct format_entry e = entry_of(f);

	format_entry_encode(part, &e);
	sum_entry(sum, part);
}

int frame_index_differs(struct frame_slot *s)
{
	return corrupt(s, "does not match the frames before it");
}

static int fetch_index(struct frame_reader *r, struct frame_slot *s)
{
	uint8_t part[FORMAT_ENTRY_LEN];
	uint64_t offset, entries, n;
	uint32_t crc = 0;

	if (fetch_head(r, s) < 0)
		return s->status;
	n = (s->head.length - FORMAT_TRAILER_LEN) / FORMAT_ENTRY_LEN;
	if (s->head.type != FRAME_INDEX || s->head.length < FORMAT_TRAILER_LEN || n != r->n_pages ||
	    s->head.length != n * FORMAT_ENTRY_LEN + FORMAT_TRAILER_LEN)
		return corrupt(s, "is not the index that the commit frame announces");
	for (uint64_t i = 0; i < n; i++) {
		if (check_read(s, channel_read(&r->in, part, sizeof part), sizeof part) < 0)
			return s->status;
		crc = crc32c(&r->crc, crc, part, sizeof part);
		sum_entry(&r->index, part);
	}
	if (check_read(s, channel_read(&r->in, part, FORMAT_TRAILER_LEN), FORMAT_TRAILER_LEN) < 0)
		return s->status;
	if (crc32c(&r->crc, crc, part, FORMAT_TRAILER_LEN) != s->head.crc)
		return corrupt(s, "does not match its checksum");
	if (!format_trailer_decode(part, &offset, &entries) || offset != s->frame.offset ||
	    entries != n)
		return corrupt(s, "has a wrong trailer");
	r->has_index = true;
	return 0;
}

/* The end: everything that came must be what was written. */
static int fetch_commit(struct frame_reader *r, struct frame_slot *s)
{
	uint8_t body[FORMAT_COMMIT_LEN], byte;
	struct format_commit c;

	if (s->head.length != sizeof body)
		return corrupt(s, "has the wrong length");
	if (check_read(s, channel_read(&r->in, body, sizeof body), sizeof body) < 0)
		return s->status;
	if (crc32c(&r->crc, 0, body, sizeof body) != s->head.crc)
		return corrupt(s, "does not match its checksum");
	format_commit_decode(&c, body);
	if (c.frames != s->frame.number || c.bytes != s->frame.offset ||
	    c.digest.a != r->digest.a || c.digest.b != r->digest.b)
		return corrupt(s, "does not match the frames before it");
	if (s->head.flags & FORMAT_INDEX_FOLLOWS && fetch_index(r, s) < 0)
		return s->status;
	if (r->in.regular) {
		ssize_t got = channel_read(&r->in, &byte, 1);
		if (got > 0)
			return corrupt(s, "is the last one, but more bytes follow");
		if (check_read(s, got, 0) < 0)
			return s->status;
	}
	return s->status = 0;
}

int frame_fetch(struct frame_reader *r, struct frame_slot *s)
{
	if (fetch_head(r, s) < 0)
		return s->status;
	switch (s->head.type) {
	case FRAME_COMMIT:
		return fetch_commit(r, s);
	case FRAME_INDEX:
		return corrupt(s, "comes before the commit frame");
	case FRAME_PAGES:
		r->n_pages++;
		r->pages_begun = true;
		if (fetch_pages(r, s) < 0)
			return s->status;
		break;
	case FRAME_EARLY_PAGES:
		if (fetch_early(r, s) < 0)
			return s->status;
		break;
	default:
		if (fetch_body(r, s) < 0)
			return s->status;
	}
	return s->status = 1;
}

/* The bytes of pages that came before: s->data and s->runs become what they would be, had they come here. */
static int fill_from_earlier(const struct frame_reader *r, struct frame_slot *s, uint32_t id, uint32_t n_named,
			     struct compress_state *state)
{
	struct image_page_run named[FORMAT_MAX_RUNS];
	const char *why = NULL;
	size_t n = 0;

	if (s->skipped || s->later)
		return s->status;
	if (!s->data && !(s->data = page_block_map(IMAGE_BLOCK)))
		return bad(s, -ENOMEM, "E_SYS", "does not fit into memory");
	uint8_t *out = s->data;
	memcpy(named, s->runs, n_named * sizeof *named);
	for (uint32_t i = 0; i < n_named && !why; i++)
		why = early_fill(r->early, id, named[i].address, named[i].bytes, &out, s->runs, &n, state);
	if (why)
		return corrupt(s, why);
	s->frame.n_runs = n;
	s->frame.data = s->data;
	s->frame.data_len = (size_t)(out - s->data);
	return s->status;
}

static int check_pages(const struct frame_reader *r, struct frame_slot *s,
		       struct compress_state *state)
{
	static const uint64_t needs[] = {0, FORMAT_FEATURE_LZ4, FORMAT_FEATURE_ZSTD};
	struct image_frame *f = &s->frame;
	struct format_pages p;
	const char *why = format_pages_decode(&p, s->in, s->head.length);

	if (!why)
		why = format_runs_decode(s->runs, s->in + FORMAT_PAGES_LEN, &p);
	if (why)
		return corrupt(s, why);
	if (needs[p.encoding] & ~r->features)
		return corrupt(s,
			       "is compressed in a way the start of the image does not announce");
	size_t lead = FORMAT_PAGES_LEN + p.n_runs * FORMAT_RUN_LEN + p.pad;
	f->space_id = p.space_id;
	f->phase = p.phase;
	f->runs = s->runs;
	f->n_runs = p.n_runs;
	f->data = s->in + lead;
	f->data_len = p.data_len;
	f->compress = (enum image_compress)p.encoding;
	f->stored_len = p.stored_len;
	f->earlier = p.earlier;
	if (s->skipped || (p.earlier && s->later))
		f->data = NULL;
	f->deferred = s->later && !f->data;
	if (p.earlier && !(r->features & FORMAT_FEATURE_EARLY))
		return corrupt(s, "names early pages though the start of the image announces none");
	if (p.earlier)
		return fill_from_earlier(r, s, p.earlier, p.n_runs, state);
	if (p.encoding == IMAGE_NONE) {
		if (r->in.regular && p.data_len)
			f->file_offset = (int64_t)(r->in.base + f->offset + FORMAT_HEAD_LEN + lead);
		return s->status;
	}
	if (s->skipped)
		return s->status;
	if (!s->data && !(s->data = page_block_map(IMAGE_BLOCK)))
		return bad(s, -ENOMEM, "E_SYS", "does not fit into memory");
	int status = decompress_block(state, (enum image_compress)p.encoding, s->data, p.data_len,
				      s->in + lead, p.stored_len);
	if (status == -ENOMEM)
		return bad(s, -ENOMEM, "E_SYS", "does not fit into memory");
	if (status < 0)
		return corrupt(s, "cannot be decompressed");
	f->data = s->data;
	return s->status;
}

int frame_check(const struct frame_reader *r, struct frame_slot *s, struct compress_state *state)
{
	bool pages = s->head.type == FRAME_PAGES || s->head.type == FRAME_EARLY_PAGES;
	const uint8_t *payload = pages ? s->in : s->body;

	if (s->status <= 0)
		return s->status;
	s->frame.type = s->head.type;
	if (!(pages && s->skipped) && crc32c(&r->crc, 0, payload, s->head.length) != s->head.crc)
		return corrupt(s, "does not match its checksum");
	if (pages)
		return check_pages(r, s, state);
	s->frame.body = payload;
	s->frame.len = s->head.length;
	return s->status;
}
