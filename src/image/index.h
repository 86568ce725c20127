#pragma once
/* Pages of an image in a regular file out of order, by the INDEX at its end. What stands there is
 * believed for where to look only: a frame of pages is checked like any other when it is read, and must be
 * the one that its entry describes. The file's position is neither used nor moved, so that
 * several threads and processes may read one descriptor. */
#include <stddef.h>
#include <stdint.h>

#include "image/format.h"

struct image_index;
struct image_reader;

/* Reads and checks COMMIT and INDEX of the image that begins at the file's position; fd borrowed. Errors:
 * E_IMAGE_INDEX: no regular file, or written to a pipe and so without index; those of image_reader_new()
 * when it is no whole image. */
int image_index_open(struct image_index **ret, int fd, struct pidspace_error *err);
void image_index_free(struct image_index *x);

/* Entries are in the order of the frames, offsets rising. Where two hold the same page the later wins. */
size_t image_index_count(const struct image_index *x);
const struct format_entry *image_index_entry(const struct image_index *x, size_t i);

/* Memory for one frame at a time, reused from frame to frame; of one thread. NULL: no memory. */
struct image_lens;
struct image_lens *image_lens_new(const struct image_index *x);
void image_lens_free(struct image_lens *l);

/* A lens on the frames of a reader that came without their data (image_reader_defer_data()); load gives such a
 * frame whole and checked, as image_lens_read() does. */
struct image_lens *image_lens_on(const struct image_reader *r);
int image_lens_load(struct image_lens *l, const struct image_frame *f, struct image_frame *ret,
		    struct pidspace_error *err);

/* Frame of entry i, checked and decoded; *ret is valid until the lens is used again. E_IMAGE_CORRUPT,
 * E_IMAGE_TRUNCATED, E_IMAGE_READ. */
int image_lens_read(struct image_lens *l, size_t i, struct image_frame *ret, struct pidspace_error *err);
