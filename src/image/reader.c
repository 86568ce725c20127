#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "image/frame_reader.h"

struct image_reader {
	struct frame_reader frames;
	struct compress_state state;
	struct frame_slot slot;
	struct format_digest index; /* what the index has to say */
	bool ended;
};

int image_reader_new(struct image_reader **ret, int fd, struct pidspace_error *err)
{
	struct image_reader *r = calloc(1, sizeof *r);

	if (!r)
		return error_sys(err, -ENOMEM, "read an image");
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
}

int image_next(struct image_reader *r, struct image_frame *ret, struct pidspace_error *err)
{
	struct frame_slot *s = &r->slot;

	if (!r->ended && frame_fetch(&r->frames, s) > 0)
		frame_check(&r->frames, s, &r->state);
	if (s->status > 0 && s->frame.type == FRAME_PAGES)
		frame_sum_entry(&r->index, &s->frame);
	if (!r->ended && !s->status && r->frames.has_index &&
	    (r->index.a != r->frames.index.a || r->index.b != r->frames.index.b))
		frame_index_differs(s);
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
	frame_slot_done(&r->slot);
	compress_done(&r->state);
	frame_reader_done(&r->frames);
	free(r);
}
