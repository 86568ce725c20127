#pragma once
/* Protobuf messages in and out of the engine's buffers. */
#include "checkpoint/context.h"
#include <protobuf-c/protobuf-c.h>

/* Packs m into fresh memory for OpenFile.body (the engine frees it). -ENOMEM. */
int message_pack(const ProtobufCMessage *m, ProtobufCBinaryData *ret, struct pidspace_error *err);

/* Packs m and writes it as a frame by save_frame(). */
int message_save(struct save *s, uint32_t type, const ProtobufCMessage *m, struct pidspace_error *err);

/* Unpacks; NULL with err E_IMAGE_CORRUPT when the bytes are no such message. what names it. */
void *message_unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len,
		     const char *what, struct pidspace_error *err);

/* The kept frame of this type and id, unpacked; NULL with err set when it is missing or broken. */
void *message_of_frame(const struct restore *r, uint32_t type, uint32_t id,
		       const ProtobufCMessageDescriptor *d, const char *what,
		       struct pidspace_error *err);

static inline void message_freep(void *p)
{
	ProtobufCMessage *m = *(ProtobufCMessage **)p;

	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}
/* Frees an unpacked message when it leaves scope. */
#define _cleanup_message_ __attribute__((cleanup(message_freep)))
