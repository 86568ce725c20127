#pragma once
/* Frames of a stream one after the other: fetched in order, then checked and decoded by any thread. */
#include "image/channel.h"
#include "image/compress.h"
#include "image/early.h"
#include "image/format.h"

/* One frame with the memory for it, which is reused from frame to frame. */
struct frame_slot {
	struct format_head head;
	uint8_t *room;     /* PAGES: for the payload, mapped at first use */
	uint8_t *in;       /* ... and where in it, so that raw data begins at a page as it does in the file */
	bool skipped;      /* ... without the data */
	bool later;        /* what it names of earlier frames is not fetched now */
	uint8_t *data;     /* PAGES: decompressed, or fetched from earlier frames; mapped at first use */
	uint8_t *body;     /* metadata */
	size_t body_size;  /* allocated */
	struct image_page_run runs[FORMAT_MAX_RUNS];
	struct image_frame frame;
	int status;        /* 1: a frame, 0: the end of a whole stream, or -errno with error set */
	struct pidspace_error error;
};

struct frame_reader {
	struct channel in;
	struct crc32c crc;
	uint64_t features;
	uint64_t frames;
	struct format_digest digest; /* of the frames so far */
	uint64_t n_pages;
	struct format_digest index;  /* of the entries of the index, once it was read */
	bool has_index;
	bool skip_data;   /* of pages, where it can be skipped */
	bool defer_early; /* the same of early pages: they are read when later ones name them */
	bool defer_data;  /* of large frames of pages: they are fetched again by whoever uses them */
	bool pages_begun;
	struct early *early;
};

/* Bytes of pages, decompressed, that are worth a thread of their own. */
#define FRAME_LARGE ((uint64_t)256 << 10)

/* Reads and checks the start of the stream. -errno with err. */
int frame_reader_start(struct frame_reader *r, int fd, struct pidspace_error *err);
/* The same for the first bytes of a stream as somebody has read them: got of them, or -errno. */
int frame_reader_check_start(struct frame_reader *r, const uint8_t start[FORMAT_START_LEN], ssize_t got,
			     struct pidspace_error *err);
void frame_reader_done(struct frame_reader *r);

/* Reads the next frame into s; after COMMIT checks that the stream was whole and all that follows it.
 * Sets and returns s->status. Nothing the frame says is believed yet, except by COMMIT. */
int frame_fetch(struct frame_reader *r, struct frame_slot *s);

/* Reads the frame of pages at this offset of a stream in a regular file, wherever the reader is. Sets and
 * returns s->status. Any thread. */
int frame_fetch_at(const struct frame_reader *r, struct frame_slot *s, uint64_t offset);

/* Notes the frame of early pages at this offset, as frame_fetch() does when it comes by. Sets and returns s->status. */
int frame_note_early_at(struct frame_reader *r, struct frame_slot *s, uint64_t offset);

/* A checked frame of pages must be what its entry in the index says. Sets and returns s->status. */
int frame_check_entry(struct frame_slot *s, const struct format_entry *e);

/* Checks the payload and fills s->frame. Sets and returns s->status. Any thread. */
int frame_check(const struct frame_reader *r, struct frame_slot *s, struct compress_state *state);

/* Adds what the index must say of a checked frame of pages to a sum that r->index is compared with. */
void frame_sum_entry(struct format_digest *sum, const struct image_frame *f);

/* The index does not fit the frames: sets and returns s->status. */
int frame_index_differs(struct frame_slot *s);

void frame_slot_done(struct frame_slot *s);

/* reader.c: what a lens on a reader's own frames needs of it; any thread. */
struct image_reader;
const struct frame_reader *image_reader_frames(const struct image_reader *r);
