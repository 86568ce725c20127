#pragma once
/* The bytes of the stream: how its fixed parts are laid out (doc/FORMAT.md). All numbers are
 * little-endian. Encoding fills caller-owned arrays; decoding trusts nothing and answers with a
 * sentence that says what is wrong, or NULL. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/crc32c.h"
#include "image/image.h"

#define FORMAT_MAGIC "PIDSPACE"
#define FORMAT_VERSION 1
#define FORMAT_PAGE ((size_t)4096) /* runs and raw data are aligned to this, whatever the host's page size */

/* Required-features bits: a reader that does not know one must refuse. */
#define FORMAT_FEATURE_LZ4 (1ULL << 0)
#define FORMAT_FEATURE_ZSTD (1ULL << 1)
#define FORMAT_FEATURE_EARLY (1ULL << 2) /* EARLY_PAGES, and PAGES that name them */
#define FORMAT_FEATURES (FORMAT_FEATURE_LZ4 | FORMAT_FEATURE_ZSTD | FORMAT_FEATURE_EARLY)

/* Flags of a frame. */
#define FORMAT_INDEX_FOLLOWS 1 /* of COMMIT: an INDEX frame comes after it */

#define FORMAT_START_LEN 24  /* of the stream's header */
#define FORMAT_HEAD_LEN 24   /* of a frame's header */
#define FORMAT_PAGES_LEN 40  /* of the fixed part of a PAGES payload */
#define FORMAT_RUN_LEN 16
#define FORMAT_COMMIT_LEN 32
#define FORMAT_ENTRY_LEN 32  /* of one frame of pages, early or not, in the INDEX */
#define FORMAT_TRAILER_LEN 24 /* at the very end of the INDEX, and so of the file */
#define FORMAT_TRAILER_MAGIC "PIDSPIDX"

/* A run covers a page at least and all runs of a frame come from one block. */
#define FORMAT_MAX_RUNS (IMAGE_BLOCK / FORMAT_PAGE)
/* What comes before the data of a PAGES frame, at most. */
#define FORMAT_MAX_LEAD (FORMAT_PAGES_LEN + FORMAT_MAX_RUNS * FORMAT_RUN_LEN + FORMAT_PAGE)
/* protobuf lengths are signed 32-bit; deleted files and socket queues stay well below. */
#define FORMAT_MAX_METADATA ((uint64_t)1 << 30)

void format_put16(uint8_t *p, uint16_t v);
void format_put32(uint8_t *p, uint32_t v);
void format_put64(uint8_t *p, uint64_t v);
uint16_t format_get16(const uint8_t *p);
uint32_t format_get32(const uint8_t *p);
uint64_t format_get64(const uint8_t *p);

/* --- the start of the stream --- */

void format_start(uint8_t out[FORMAT_START_LEN], const struct crc32c *crc, uint64_t features);

/* --- frame headers --- */

struct format_head {
	uint16_t type, flags;
	uint32_t number; /* of the frame in the stream, from 0, modulo 2^32: an exchanged frame shows */
	uint64_t length; /* of the payload, bytes */
	uint32_t crc;    /* of the payload */
};
void format_head_encode(uint8_t out[FORMAT_HEAD_LEN], const struct crc32c *crc,
			const struct format_head *h);
/* false: its own crc does not fit. */
bool format_head_decode(struct format_head *ret, const struct crc32c *crc,
			const uint8_t in[FORMAT_HEAD_LEN]);

/* --- the digest: two independent sums over all frame headers, which hold the payloads' crcs and the
 * frame numbers; a sum, so that frames may be added in any order --- */

struct format_digest {
	uint64_t a, b;
};
void format_digest_add(struct format_digest *d, const uint8_t head[FORMAT_HEAD_LEN]);

/* --- PAGES payloads: fixed part, runs, zeros up to a page boundary of the file, data --- */

struct format_pages {
	uint32_t space_id, phase, n_runs;
	uint32_t encoding; /* enum image_compress */
	uint32_t pad;      /* zero bytes before the data */
	uint32_t earlier;  /* not 0: no data, the bytes are among the early pages of this id */
	uint64_t data_len; /* decoded, bytes */
	uint64_t stored_len;
};
void format_pages_encode(uint8_t out[FORMAT_PAGES_LEN], const struct format_pages *p);
/* Checks against the payload's length, and every limit. */
const char *format_pages_decode(struct format_pages *ret, const uint8_t *payload, uint64_t length);

void format_run_encode(uint8_t out[FORMAT_RUN_LEN], uint64_t address, uint64_t bytes, bool zero);
/* Checks alignment, overflow, and that the runs' sizes sum up to data_len (of earlier ones: fit into a block). */
const char *format_runs_decode(struct image_page_run *ret, const uint8_t *in,
			       const struct format_pages *p);

/* --- COMMIT and INDEX --- */

struct format_commit {
	uint64_t frames; /* before this one */
	uint64_t bytes;  /* of the stream before this frame */
	struct format_digest digest;
};
void format_commit_encode(uint8_t out[FORMAT_COMMIT_LEN], const struct format_commit *c);
void format_commit_decode(struct format_commit *ret, const uint8_t in[FORMAT_COMMIT_LEN]);

#define FORMAT_ENTRY_EARLY (1U << 31) /* of phase: the frame is one of EARLY_PAGES, and the rest its round */
struct format_entry {
	uint32_t space_id, phase;
	uint64_t start, end; /* addresses: all runs of the frame lie between */
	uint64_t offset;     /* of the frame, from the start of the stream */
};
void format_entry_encode(uint8_t out[FORMAT_ENTRY_LEN], const struct format_entry *e);
void format_entry_decode(struct format_entry *ret, const uint8_t in[FORMAT_ENTRY_LEN]);

/* offset: of the INDEX frame, from the start of the stream. */
void format_trailer_encode(uint8_t out[FORMAT_TRAILER_LEN], uint64_t offset, uint64_t entries);
bool format_trailer_decode(const uint8_t in[FORMAT_TRAILER_LEN], uint64_t *ret_offset,
			   uint64_t *ret_entries);
