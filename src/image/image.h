#pragma once
/* The stream a checkpoint is: frames written front to back without seeking, so that a file, a pipe
 * and a socket are the same.
 *
 *   magic "PIDSPACE" | format version u32 | required features u64 | host facts (frame HOST) ...
 *   frame: { type u16, flags u16, length u64, crc32c of header, crc32c of payload } payload
 *   ... metadata frames ..., page frames ..., COMMIT { frame count, digest } [INDEX for files]
 *
 * Without a valid COMMIT nothing may become visible. Numbers are little-endian. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pidspace/error.h>
#include "image/frame.h"

enum image_compress { IMAGE_NONE, IMAGE_LZ4, IMAGE_ZSTD };

struct image_writer;
struct image_reader;

/* --- writing --- */

#define IMAGE_LZ4_MOST 12
#define IMAGE_ZSTD_MOST 19

struct image_options {
	enum image_compress compress;
	int level;  /* 1 to IMAGE_LZ4_MOST, IMAGE_ZSTD_MOST: everything is compressed like that; 0: at level 1, and only
		     * as much as makes the image ready sooner (effort.h) */
	bool early; /* image_write_early_pages() may be called */
	bool sync;  /* a regular file is on its disk when image_commit() returns */
	int asker;  /* a connection (borrowed) to whoever wants the image: when it hangs up, everything fails with
		     * -ECANCELED E_CANCELED, also what waits for a reader. 0: nobody */
};
/* Starts a stream on fd (borrowed; file, pipe or socket). Writes magic and header. */
int image_writer_open(struct image_writer **ret, int fd, const struct image_options *o, struct pidspace_error *err);
/* The same at level 1, without further options. */
int image_writer_new(struct image_writer **ret, int fd, enum image_compress c, struct pidspace_error *err);

/* One metadata frame. */
int image_write(struct image_writer *w, uint16_t type, const void *body, size_t len,
		struct pidspace_error *err);

/* Pages of one address space. A run is `bytes` of memory at guest address `address`, page aligned;
 * the writer takes buffers of up to IMAGE_BLOCK bytes, filled by the caller, and compresses and
 * writes them in order with worker threads; zero pages are dropped from the payload and noted.
 * image_page_buffer() lends the next free buffer (waiting for a worker if all are busy);
 * image_write_pages() gives it back with its content: runs[] describe consecutive pieces of it. */
#define IMAGE_BLOCK ((size_t)1 << 20)  /* larger ones leave the cache between steps */
struct image_run {
	uint64_t address, bytes;
};
/* NULL: no memory. Several threads may write pages at once; together they hold at most 4 buffers. A
 * buffer is given back even when the call fails, and with no runs at all nothing is written. Buffers
 * are not inherited by fork(2). */
void *image_page_buffer(struct image_writer *w);
int image_write_pages(struct image_writer *w, uint32_t space_id, uint32_t phase, void *buffer,
		      const struct image_run *runs, size_t n_runs, struct pidspace_error *err);

/* Memory may be written before anything else is known, while the tree still runs and changes it: early pages
 * of a tracked memory `id` (not 0; an address space gets its own id later) read in round `round`, runs and
 * frames of a round by rising address. They count for nothing until image_write_earlier() says that the
 * latest copies of these runs (at most IMAGE_BLOCK in all) are what the address space holds there. The writer
 * must have been opened for it. */
int image_write_early_pages(struct image_writer *w, uint32_t id, uint32_t round, void *buffer,
			    const struct image_run *runs, size_t n_runs, struct pidspace_error *err);
int image_write_earlier(struct image_writer *w, uint32_t space_id, uint32_t phase, uint32_t id,
			const struct image_run *runs, size_t n_runs, struct pidspace_error *err);

/* Ends the stream: waits for workers, writes COMMIT (and INDEX when fd is a regular file), and for the disk if
 * that was asked for. Without success the stream counts for nothing. */
int image_commit(struct image_writer *w, struct pidspace_error *err);
uint64_t image_bytes_written(const struct image_writer *w);
/* Bytes of pages that were stored raw because compressing them would have taken longer. */
uint64_t image_bytes_raw(const struct image_writer *w);
void image_writer_free(struct image_writer *w); /* without commit: the stream stays invalid */

/* --- reading --- */

/* Reads and checks magic and header; fd borrowed. Errors name frame and offset: E_IMAGE_MAGIC,
 * E_IMAGE_VERSION, E_IMAGE_FEATURE, E_IMAGE_CORRUPT, E_IMAGE_TRUNCATED. */
int image_reader_new(struct image_reader **ret, int fd, struct pidspace_error *err);

struct image_frame {
	uint16_t type;
	const void *body; /* metadata: valid until the next image_next, as is all that follows */
	size_t len;
	uint64_t number, offset;
	/* type FRAME_PAGES, FRAME_EARLY_PAGES: decoded. data holds the bytes of all non-zero runs one after the other. */
	uint32_t space_id, phase;
	uint32_t earlier; /* not 0: the bytes came before, see image_write_earlier() */
	const struct image_page_run *runs;
	size_t n_runs;
	const void *data;
	size_t data_len;
	int64_t file_offset; /* >= 0: data lies raw at this offset of the (regular) file */
	enum image_compress compress; /* how data is stored, in stored_len bytes */
	size_t stored_len;
	bool deferred; /* see image_reader_defer_data(): no data, and runs that nobody has checked */
};
struct image_page_run {
	uint64_t address, bytes;
	bool zero; /* no bytes in data */
};

/* Passes over the content of pages where that saves time, in a regular file: such frames have runs but
 * data NULL, and are not checked. For whoever wants the metadata only; before the first image_next. */
void image_reader_skip_data(struct image_reader *r);

/* Passes over early pages, where it can, until a frame names them: for whoever takes all other frames, and
 * needs no proof of what none of them names. Before the first image_next. */
void image_reader_defer_early(struct image_reader *r);

/* Leaves the data of large frames of pages for image_lens_load() (index.h), where it can: several threads
 * then read, check and decompress what they need, while it is in their caches. Every deferred frame has to be loaded,
 * or the image is not known to be whole. Before the first image_next. */
void image_reader_defer_data(struct image_reader *r);

/* Lets threads read ahead from now on, as happens by itself at the first large frame. 1, or 0 when
 * there are no threads to be had; reading works all the same. */
int image_reader_read_ahead(struct image_reader *r);

/* The next frame, checked. 1: a frame; 0: after COMMIT, the stream was whole; -errno. */
int image_next(struct image_reader *r, struct image_frame *ret, struct pidspace_error *err);
void image_reader_free(struct image_reader *r);
