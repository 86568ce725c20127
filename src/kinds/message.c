#include "kinds/message.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fd.h"

int message_pack(const ProtobufCMessage *m, ProtobufCBinaryData *ret, struct pidspace_error *err)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(n ? n : 1);

	if (!p)
		return error_sys(err, -ENOMEM, "cannot pack a %s", m->descriptor->short_name);
	*ret = (ProtobufCBinaryData){.len = protobuf_c_message_pack(m, p), .data = p};
	return 0;
}

int message_save(struct save *s, uint32_t type, const ProtobufCMessage *m, struct pidspace_error *err)
{
	_cleanup_free_ void *data = NULL;
	ProtobufCBinaryData b;
	int k;

	if (!s->out)
		return 0;
	k = message_pack(m, &b, err);
	if (k < 0)
		return k;
	data = b.data;
	return save_frame(s, type, b.data, b.len, err);
}

void *message_unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len,
		     const char *what, struct pidspace_error *err)
{
	void *m = protobuf_c_message_unpack(d, NULL, len, data);

	if (!m)
		error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the image's description of %s cannot be read",
			  what);
	return m;
}

void *message_of_frame(const struct restore *r, uint32_t type, uint32_t id,
		       const ProtobufCMessageDescriptor *d, const char *what,
		       struct pidspace_error *err)
{
	size_t len;
	const void *body = restore_frame(r, type, id, &len);

	if (!body) {
		error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the image lacks %s %u", what, id);
		return NULL;
	}
	return message_unpack(d, body, len, what, err);
}
