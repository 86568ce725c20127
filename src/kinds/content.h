#pragma once
/* Bytes of files that live nowhere but in the container: unlinked files, shared memory, private tmpfs.
 *
 * They may be large, so they travel as pages like memory does, in the same compressed frames: space id
 * CONTENT_SPACE | object id, address the offset in the file. The engine calls content_write_all()
 * where it writes memory, content_pages() for each page frame that content_is() claims, and
 * content_finish() when all frames were read and before any task runs. */
#include "checkpoint/context.h"
#include "image/image.h"

#define CONTENT_SPACE 0x80000000u

/* Saving: notes that object id has size bytes, to be read from fd (borrowed; duplicated). A size of 0
 * needs no pages. -errno. */
int content_add(struct save *s, uint32_t id, int fd, uint64_t size, struct pidspace_error *err);

/* Writes what was noted; only data, no holes (SEEK_DATA). Does nothing when s->out is NULL. */
int content_write_all(struct save *s, struct pidspace_error *err);

/* Bytes of data that content_write_all() will write, for the progress total. */
uint64_t content_bytes(const struct save *s);

/* Restoring: a file whose pages will come; takes over c->fd, also when it fails. */
int content_expect(struct restore *r, const struct placed_content *c, struct pidspace_error *err);

static inline bool content_is(const struct image_frame *f)
{
	return f->type == FRAME_PAGES && (f->space_id & CONTENT_SPACE);
}

/* Writes one frame of pages to its file. E_IMAGE_CORRUPT: no such object, or beyond its end. */
int content_pages(struct restore *r, const struct image_frame *f, struct pidspace_error *err);

/* Once all frames were read and before any task maps: sets the seals of what nobody may write any more.
 * F_SEAL_WRITE cannot be set while a mapping exists that could become writable, and a mapping made before
 * the seal could (memfd_create(2)). The other seals come last, for with F_SEAL_FUTURE_WRITE writable
 * mappings go on. */
int content_seal_written(struct restore *r, struct pidspace_error *err);

/* Sets owners, modes, times and seals, and closes the descriptors. */
int content_finish(struct restore *r, struct pidspace_error *err);
