#pragma once
/* What each type of frame is called and which message its body is. A new frame type adds one row to
 * frame_table.c. */
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct frame_kind {
	uint16_t type;
	const char *name;                             /* "OPEN_FILE" */
	const char *key;                              /* in JSON, "open_files" */
	const ProtobufCMessageDescriptor *descriptor; /* NULL: not a message */
};

/* NULL: not known to this version. */
const struct frame_kind *frame_kind_of(uint16_t type);

/* For messages: its name, or "unknown". */
const char *frame_name(uint16_t type);
