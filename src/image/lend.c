#include "image/lend.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image/field.h"

/* Where field f of a message lies: the value, or of a repeated one the pointer to its values. */
static void *place(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (char *)m + f->offset;
}

/* Which of them is there is told elsewhere: left alone. */
static bool one_of(const ProtobufCFieldDescriptor *f)
{
	return f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF || f->label == PROTOBUF_C_LABEL_OPTIONAL;
}

static bool repeated(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED;
}

static size_t count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return repeated(f) ? *(size_t *)((char *)m + f->quantifier_offset) : 1;
}

static bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b);

static bool same_value(const ProtobufCFieldDescriptor *f, const void *a, const void *b)
{
	const ProtobufCBinaryData *x = a, *y = b;
	const ProtobufCMessage *m, *n;
	const char *s, *t;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		memcpy(&s, a, sizeof s);
		memcpy(&t, b, sizeof t);
		return s == t || (s && t && !strcmp(s, t));
	case PROTOBUF_C_TYPE_BYTES:
		return x->len == y->len && (!x->len || x->data == y->data || !memcmp(x->data, y->data, x->len));
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&m, a, sizeof m);
		memcpy(&n, b, sizeof n);
		return m == n || (m && n && same_message(m, n));
	default:
		return !memcmp(a, b, field_size(f));
	}
}

static bool same_field(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	size_t n = count(a, f), size = field_size(f);

	if (one_of(f) || n != count(b, f))
		return false;
	if (!repeated(f))
		return same_value(f, place(a, f), place(b, f));
	const char *x = *(char **)place(a, f), *y = *(char **)place(b, f);
	for (size_t i = 0; x != y && i < n; i++)
		if (!same_value(f, x + i * size, y + i * size))
			return false;
	return true;
}

static bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	if (a->descriptor != b->descriptor || a->n_unknown_fields || b->n_unknown_fields)
		return false;
	for (unsigned i = 0; i < a->descriptor->n_fields; i++)
		if (!same_field(&a->descriptor->fields[i], a, b))
			return false;
	return true;
}

static void free_value(const ProtobufCFieldDescriptor *f, void *at)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		protobuf_c_message_free_unpacked(*(ProtobufCMessage **)at, NULL);
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		free(((ProtobufCBinaryData *)at)->data);
	else if (f->type == PROTOBUF_C_TYPE_STRING && *(const char **)at != f->default_value)
		free(*(char **)at);
}

/* One value that is malloc'd: a string, bytes, a message. What is not the same as a whole may be in parts. */
static void borrow_value(const ProtobufCFieldDescriptor *f, void *at, const void *from)
{
	if (same_value(f, at, from)) {
		free_value(f, at);
		memcpy(at, from, field_size(f));
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)at && *(void *const *)from) {
		message_borrow(*(ProtobufCMessage **)at, *(ProtobufCMessage *const *)from);
	}
}

static bool has_memory(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES ||
	       f->type == PROTOBUF_C_TYPE_MESSAGE;
}

static void borrow_list(const ProtobufCFieldDescriptor *f, ProtobufCMessage *m, const ProtobufCMessage *from)
{
	char **list = place(m, f), *its = *(char **)place(from, f);
	size_t n = count(m, f), k = count(from, f), size = field_size(f);

	if (!n || !k)
		return;
	if (same_field(f, m, from)) {
		for (size_t i = 0; has_memory(f) && i < n; i++)
			free_value(f, *list + i * size);
		free(*list);
		*list = its;
		return;
	}
	for (size_t i = 0; has_memory(f) && i < n && i < k; i++)
		borrow_value(f, *list + i * size, its + i * size);
}

void message_borrow(ProtobufCMessage *m, const ProtobufCMessage *from)
{
	if (m->descriptor != from->descriptor)
		return;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		if (repeated(f))
			borrow_list(f, m, from);
		else if (has_memory(f) && !one_of(f))
			borrow_value(f, place(m, f), place(from, f));
	}
}

static void give_back_value(const ProtobufCFieldDescriptor *f, void *at, const void *from)
{
	ProtobufCBinaryData *d = at;
	const ProtobufCBinaryData *its = from;

	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		if (d->data == its->data)
			*d = (ProtobufCBinaryData){};
	} else if (*(void **)at == *(void *const *)from) {
		*(void **)at = NULL;
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)at && *(void *const *)from) {
		message_give_back(*(ProtobufCMessage **)at, *(ProtobufCMessage *const *)from);
	}
}

void message_give_back(ProtobufCMessage *m, const ProtobufCMessage *from)
{
	if (m->descriptor != from->descriptor)
		return;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		size_t n = count(m, f), k = count(from, f), size = field_size(f);
		if (!repeated(f)) {
			if (has_memory(f))
				give_back_value(f, place(m, f), place(from, f));
			continue;
		}
		char **list = place(m, f), *its = *(char **)place(from, f);
		if (*list == its) {
			*list = NULL;
			*(size_t *)((char *)m + f->quantifier_offset) = 0;
			continue;
		}
		for (size_t j = 0; has_memory(f) && j < n && j < k; j++)
			give_back_value(f, *list + j * size, its + j * size);
	}
}
