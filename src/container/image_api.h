#pragma once
/* An opened image: its metadata as it came, and what was counted of its pages. */
#include <protobuf-c/protobuf-c.h>

#include <pidspace/pidspace.h>
#include "base/vec.h"

/* One metadata frame. */
struct image_part {
	uint16_t type;
	uint64_t number, offset;
	uint8_t *body;
	size_t len;
};

/* The pages of one address space or object. */
struct space_pages {
	uint32_t space_id;
	uint64_t start, end, frames, runs, data_bytes, zero_bytes;
	uint64_t earlier_bytes;   /* that lie among the early pages, zero ones too */
	uint64_t stored_bytes[3]; /* by enum image_compress */
};

struct pidspace_image {
	VEC(struct image_part) parts;
	VEC(struct space_pages) spaces;
	uint64_t frames;
	uint64_t early_frames, early_bytes, early_stored_bytes;
	bool verified;
};

/* The part as its message, the caller frees it; NULL: E_IMAGE_CORRUPT. Its type must have one. */
ProtobufCMessage *image_part_unpack(const struct image_part *p, struct pidspace_error *err);

/* Adds the rows that `inspect --mem` and `--files` show to root. */
struct json_object;
int image_mem_tables(const struct pidspace_image *i, struct json_object *root, struct pidspace_error *err);
int image_file_tables(const struct pidspace_image *i, struct json_object *root, struct pidspace_error *err);
