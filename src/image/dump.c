#include "image/dump.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/field.h"

/* Longer content (of pipes, of sockets) is for restore, not for reading. */
#define SHOWN_BYTES ((size_t)1024)

static bool is_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t' && p[i] != '\r') || p[i] > 0x7e)
			return false;
	return true;
}

struct json_object *dump_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t shown = len < SHOWN_BYTES ? len : SHOWN_BYTES;
	struct json_object *o = json_object_new_object();
	char hex[2 * SHOWN_BYTES + 1];

	if (!o)
		return NULL;
	json_object_object_add(o, "length", json_object_new_uint64(len));
	if (is_text(p, shown)) {
		json_object_object_add(o, "text",
				       json_object_new_string_len((const char *)p, (int)shown));
	} else {
		for (size_t i = 0; i < shown; i++) {
			hex[2 * i] = "0123456789abcdef"[p[i] >> 4];
			hex[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
		}
		json_object_object_add(o, "hex", json_object_new_string_len(hex, (int)(2 * shown)));
	}
	if (shown < len)
		json_object_object_add(o, "cut", json_object_new_boolean(true));
	return o;
}

/* RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
static bool is_utf8(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;

	while (*p) {
		uint32_t c = *p++, least;
		unsigned more;

		if (c < 0x80)
			continue;
		if (c >= 0xc2 && c < 0xe0)
			more = 1, least = 0x80, c &= 0x1f;
		else if (c >= 0xe0 && c < 0xf0)
			more = 2, least = 0x800, c &= 0x0f;
		else if (c >= 0xf0 && c < 0xf5)
			more = 3, least = 0x10000, c &= 0x07;
		else
			return false;
		for (; more; more--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p & 0x3f);
		}
		if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
	}
	return true;
}

struct json_object *dump_string(const char *s)
{
	if (!s)
		return json_object_new_string("");
	return is_utf8(s) ? json_object_new_string(s) : dump_bytes(s, strlen(s));
}

static struct json_object *dump_enum(const ProtobufCFieldDescriptor *f, int v)
{
	const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value(f->descriptor, v);

	return e ? json_object_new_string(e->name) : json_object_new_int(v);
}

/* One value of field f, where protobuf-c keeps it in memory. */
static struct json_object *dump_value(const ProtobufCFieldDescriptor *f, const void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_object_new_int(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_object_new_int64(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_object_new_int64(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return json_object_new_uint64(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
		return json_object_new_double(*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_object_new_double(*(const double *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return dump_enum(f, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		return dump_string(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES: {
		const ProtobufCBinaryData *b = at;
		return dump_bytes(b->data, b->len);
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		return dump_message(*(ProtobufCMessage *const *)at);
	}
	return NULL;
}

static struct json_object *dump_repeated(const ProtobufCMessage *m,
					 const ProtobufCFieldDescriptor *f)
{
	size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
	const char *at = *(const char *const *)((const char *)m + f->offset);
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++)
		json_object_array_add(list, dump_value(f, at + i * field_size(f)));
	return list;
}

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *at = (const char *)m + f->offset, *has = (const char *)m + f->quantifier_offset;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)has == f->id;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)at;
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING)
		return *(const protobuf_c_boolean *)has;
	return f->label != PROTOBUF_C_LABEL_OPTIONAL || *(const void *const *)at;
}

struct json_object *dump_message(const ProtobufCMessage *m)
{
	struct json_object *o = json_object_new_object();

	for (unsigned i = 0; o && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			json_object_object_add(o, f->name, dump_repeated(m, f));
		else if (is_set(m, f))
			json_object_object_add(o, f->name,
					       dump_value(f, (const char *)m + f->offset));
	}
	return o;
}
