/* What `inspect --mem` and `--files` show: rows made for reading, where the messages themselves
 * say it in numbers and at several places. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address_space.pb-c.h"
#include "base/error.h"
#include "container/image_api.h"
#include "image/dump.h"
#include "image/frame.h"
#include "kinds/fd_kind.h"
#include "open_file.pb-c.h"
#include "process.pb-c.h"

/* All messages of one type, unpacked. */
struct messages {
	VEC(ProtobufCMessage *) list;
};

static void messages_done(struct messages *m)
{
	vec_each(p, &m->list) protobuf_c_message_free_unpacked(*p, NULL);
	vec_free(&m->list);
}
#define _cleanup_messages_ __attribute__((cleanup(messages_done)))

static int unpack_all(const struct pidspace_image *i, uint16_t type, struct messages *ret,
		      struct pidspace_error *err)
{
	vec_each(p, &i->parts)
	{
		if (p->type != type)
			continue;
		ProtobufCMessage *m = image_part_unpack(p, err);
		ProtobufCMessage **slot = m ? vec_push(&ret->list) : NULL;
		if (!m)
			return -EBADMSG;
		if (!slot) {
			protobuf_c_message_free_unpacked(m, NULL);
			return error_sys(err, -ENOMEM, "describe an image");
		}
		*slot = m;
	}
	return 0;
}

static void add_text(struct json_object *row, const char *key, const char *text)
{
	json_object_object_add(row, key, dump_string(text));
}

static void add_number(struct json_object *row, const char *key, uint64_t n)
{
	json_object_object_add(row, key, json_object_new_uint64(n));
}

static void add_address(struct json_object *row, const char *key, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof text, "0x%" PRIx64, address);
	add_text(row, key, text);
}

enum holds { HOLDS_SPACE, HOLDS_FD_TABLE };

/* The processes that have this address space or descriptor table: "1 12 13". */
static void add_pids(struct json_object *row, const struct messages *processes, enum holds what,
		     uint32_t id)
{
	char text[256] = "";
	size_t len = 0;

	vec_each(m, &processes->list)
	{
		const Process *p = (const Process *)*m;
		if ((what == HOLDS_SPACE ? p->address_space : p->fd_table) != id ||
		    len + 16 > sizeof text)
			continue;
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%d", len ? " " : "",
					p->pid);
	}
	add_text(row, "processes", text);
}

/* --- memory --- */

static const char *mapped_path(const struct messages *spaces, uint32_t id)
{
	vec_each(m, &spaces->list)
	{
		const AddressSpace *a = (const AddressSpace *)*m;
		for (size_t k = 0; k < a->n_file; k++)
			if (a->file[k]->id == id)
				return a->file[k]->path;
	}
	return "";
}

/* Names of Vma.flags that are more than a permission. */
static void add_flags(struct json_object *row, uint32_t flags)
{
	const uint32_t shown = ~(uint32_t)(VMA_FLAG__VMA_SHARED | VMA_FLAG__VMA_MAYWRITE);
	char text[256] = "";
	size_t len = 0;

	for (unsigned k = 0; k < vma_flag__descriptor.n_values; k++) {
		const ProtobufCEnumValue *v = &vma_flag__descriptor.values[k];
		if (!(flags & shown & (uint32_t)v->value) || strncmp(v->name, "VMA_", 4))
			continue;
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
					v->name + 4);
		if (len >= sizeof text)
			break;
	}
	for (char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	add_text(row, "flags", text);
}

static struct json_object *mapping_row(const struct messages *spaces, const AddressSpace *a,
				       const Vma *v)
{
	static const char *const kind[] = {"anonymous", "file", "shared memory", "vdso", "vvar"};
	const char prot[] = {v->prot & 1 ? 'r' : '-', v->prot & 2 ? 'w' : '-',
			     v->prot & 4 ? 'x' : '-', v->flags & VMA_FLAG__VMA_SHARED ? 's' : 'p',
			     0};
	struct json_object *row = json_object_new_object();

	add_number(row, "space", a->id);
	add_address(row, "start", v->start);
	add_address(row, "end", v->end);
	add_number(row, "bytes", v->end - v->start);
	add_text(row, "prot", prot);
	add_text(row, "kind", v->kind < sizeof kind / sizeof *kind ? kind[v->kind] : "unknown");
	add_address(row, "offset", v->offset);
	add_flags(row, v->flags);
	add_text(row, "of",
		 v->kind == VMA_KIND__VMA_FILE ? mapped_path(spaces, v->object) : v->name);
	return row;
}

static struct json_object *space_row(const struct pidspace_image *i,
				     const struct messages *processes, const AddressSpace *a)
{
	struct json_object *row = json_object_new_object();
	uint64_t mapped = 0, inherited = 0;

	for (size_t k = 0; k < a->n_vma; k++)
		mapped += a->vma[k]->end - a->vma[k]->start;
	for (size_t k = 1; k < a->n_inherit; k += 2)
		inherited += a->inherit[k];
	add_number(row, "space", a->id);
	add_number(row, "parent", a->parent);
	add_pids(row, processes, HOLDS_SPACE, a->id);
	add_number(row, "mappings", a->n_vma);
	add_number(row, "mapped_bytes", mapped);
	add_number(row, "inherited_pages", inherited);
	vec_each(s, &i->spaces)
	{
		if (s->space_id != a->id)
			continue;
		add_number(row, "data_bytes", s->data_bytes);
		add_number(row, "zero_bytes", s->zero_bytes);
		add_number(row, "earlier_bytes", s->earlier_bytes);
		add_number(row, "stored_bytes",
			   s->stored_bytes[0] + s->stored_bytes[1] + s->stored_bytes[2]);
	}
	return row;
}

int image_mem_tables(const struct pidspace_image *i, struct json_object *root,
		     struct pidspace_error *err)
{
	_cleanup_messages_ struct messages processes = {0}, spaces = {0};
	struct json_object *list, *mappings;
	int status = unpack_all(i, FRAME_PROCESS, &processes, err);

	if (!status)
		status = unpack_all(i, FRAME_ADDRESS_SPACE, &spaces, err);
	if (status < 0)
		return status;
	list = json_object_new_array();
	mappings = json_object_new_array();
	json_object_object_add(root, "address_spaces", list);
	json_object_object_add(root, "mappings", mappings);
	vec_each(m, &spaces.list)
	{
		const AddressSpace *a = (const AddressSpace *)*m;
		json_object_array_add(list, space_row(i, &processes, a));
		for (size_t k = 0; k < a->n_vma; k++)
			json_object_array_add(mappings, mapping_row(&spaces, a, a->vma[k]));
	}
	return 0;
}

/* --- descriptors --- */

static const OpenFile *open_file(const struct messages *files, uint32_t id)
{
	vec_each(m, &files->list) if (((const OpenFile *)*m)->id == id) return (const OpenFile *)*m;
	return NULL;
}

/* The path or name in the kind's own message, whatever that is; else nothing. */
static void add_object(struct json_object *row, const struct fd_kind *kind, const OpenFile *f)
{
	ProtobufCMessage *body = NULL;
	const char *text = "";

	if (kind && kind->body)
		body = protobuf_c_message_unpack(kind->body, NULL, f->body.len, f->body.data);
	for (unsigned k = 0; body && !*text && k < body->descriptor->n_fields; k++) {
		const ProtobufCFieldDescriptor *d = &body->descriptor->fields[k];
		if (d->type == PROTOBUF_C_TYPE_STRING && d->label != PROTOBUF_C_LABEL_REPEATED)
			text = *(const char *const *)((const char *)body + d->offset);
	}
	add_text(row, "object", text);
	if (body)
		protobuf_c_message_free_unpacked(body, NULL);
}

static struct json_object *descriptor_row(const struct messages *processes,
					  const struct messages *files, const FdTable *t,
					  const Descriptor *d)
{
	struct json_object *row = json_object_new_object();
	const OpenFile *f = open_file(files, d->file);
	const struct fd_kind *kind = f ? fd_kind_by_id(f->kind) : NULL;
	char flags[32];

	add_pids(row, processes, HOLDS_FD_TABLE, t->id);
	add_number(row, "fd", d->number);
	json_object_object_add(row, "cloexec", json_object_new_boolean(d->cloexec));
	add_number(row, "file", d->file);
	if (!f)
		return row;
	add_text(row, "kind", kind ? kind->name : "unknown");
	snprintf(flags, sizeof flags, "0%o", f->flags); /* as in fdinfo, proc(5) */
	add_text(row, "flags", flags);
	json_object_object_add(row, "pos", json_object_new_int64(f->pos));
	add_object(row, kind, f);
	return row;
}

int image_file_tables(const struct pidspace_image *i, struct json_object *root,
		      struct pidspace_error *err)
{
	_cleanup_messages_ struct messages processes = {0}, files = {0}, tables = {0};
	int status = unpack_all(i, FRAME_PROCESS, &processes, err);
	struct json_object *list;

	if (!status)
		status = unpack_all(i, FRAME_OPEN_FILE, &files, err);
	if (!status)
		status = unpack_all(i, FRAME_FD_TABLE, &tables, err);
	if (status < 0)
		return status;
	list = json_object_new_array();
	json_object_object_add(root, "descriptors", list);
	vec_each(m, &tables.list)
	{
		const FdTable *t = (const FdTable *)*m;
		for (size_t k = 0; k < t->n_fd; k++)
			json_object_array_add(list,
					      descriptor_row(&processes, &files, t, t->fd[k]));
	}
	return 0;
}
