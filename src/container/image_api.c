/* pidspace_image_*: what is in an image, without restoring it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "container/image_api.h"
#include "image/dump.h"
#include "image/frame_table.h"
#include "image/image.h"
#include "kinds/fd_kind.h"
#include "open_file.pb-c.h"

static struct space_pages *space_pages(struct pidspace_image *i, uint32_t space_id)
{
	vec_each(s, &i->spaces) if (s->space_id == space_id) return s;
	struct space_pages *s = vec_push(&i->spaces);
	if (s) {
		s->space_id = space_id;
		s->start = UINT64_MAX;
	}
	return s;
}

static int count_pages(struct pidspace_image *i, const struct image_frame *f)
{
	struct space_pages *s = space_pages(i, f->space_id);

	if (!s)
		return -ENOMEM;
	s->frames++;
	/* Their bytes are counted where they lie. */
	for (size_t k = 0; f->earlier && k < f->n_runs; k++)
		s->earlier_bytes += f->runs[k].bytes;
	s->runs += f->n_runs;
	s->data_bytes += f->earlier ? 0 : f->data_len;
	s->stored_bytes[f->compress] += f->stored_len;
	for (size_t k = 0; k < f->n_runs; k++) {
		const struct image_page_run *run = &f->runs[k];
		if (run->zero && !f->earlier)
			s->zero_bytes += run->bytes;
		if (run->address < s->start)
			s->start = run->address;
		if (run->address + run->bytes > s->end)
			s->end = run->address + run->bytes;
	}
	return 0;
}

/* What was read while the tree ran: of any memory, used in the end or not. */
static void count_early(struct pidspace_image *i, const struct image_frame *f)
{
	i->early_frames++;
	i->early_stored_bytes += f->stored_len;
	for (size_t k = 0; k < f->n_runs; k++)
		i->early_bytes += f->runs[k].bytes;
}

static int keep(struct pidspace_image *i, const struct image_frame *f)
{
	struct image_part *p = vec_push(&i->parts);

	if (!p)
		return -ENOMEM;
	*p = (struct image_part){
		.type = f->type, .number = f->number, .offset = f->offset, .len = f->len};
	p->body = malloc(f->len ? f->len : 1);
	if (!p->body)
		return -ENOMEM;
	memcpy(p->body, f->body, f->len);
	return 0;
}

int pidspace_image_open(struct pidspace_image **ret, int fd, bool verify,
			struct pidspace_error *err)
{
	struct pidspace_image *i = calloc(1, sizeof *i);
	struct image_reader *r = NULL;
	struct image_frame f;
	int status;

	if (!i)
		return error_sys(err, -ENOMEM, "open an image");
	status = image_reader_new(&r, fd, err);
	if (status == 0 && !verify)
		image_reader_skip_data(r);
	while (status >= 0 && (status = image_next(r, &f, err)) > 0) {
		i->frames++;
		if (f.type == FRAME_EARLY_PAGES)
			count_early(i, &f);
		else if ((f.type == FRAME_PAGES ? count_pages(i, &f) : keep(i, &f)) < 0)
			status = error_sys(err, -ENOMEM, "open an image");
	}
	image_reader_free(r);
	if (status < 0) {
		pidspace_image_close(i);
		return status;
	}
	i->verified = verify;
	*ret = i;
	return 0;
}

void pidspace_image_close(struct pidspace_image *i)
{
	if (!i)
		return;
	vec_each(p, &i->parts) free(p->body);
	vec_free(&i->parts);
	vec_free(&i->spaces);
	free(i);
}

ProtobufCMessage *image_part_unpack(const struct image_part *p, struct pidspace_error *err)
{
	const struct frame_kind *k = frame_kind_of(p->type);
	ProtobufCMessage *m = protobuf_c_message_unpack(k->descriptor, NULL, p->len, p->body);

	if (!m)
		error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
			  "frame %llu (%s) at byte %llu of the image is no %s; use another copy of "
			  "the image",
			  (unsigned long long)p->number, k->name, (unsigned long long)p->offset,
			  k->descriptor->short_name);
	return m;
}

/* Puts the kind's name and its own message in the place of their number and bytes. */
static void dump_open_file(struct json_object *o, const OpenFile *f)
{
	const struct fd_kind *kind = fd_kind_by_id(f->kind);
	ProtobufCMessage *body;

	if (!kind)
		return;
	json_object_object_add(o, "kind", json_object_new_string(kind->name));
	body = kind->body ? protobuf_c_message_unpack(kind->body, NULL, f->body.len, f->body.data)
			  : NULL;
	if (!body)
		return;
	json_object_object_add(o, "body", dump_message(body));
	protobuf_c_message_free_unpacked(body, NULL);
}

static struct json_object *dump_part(const struct image_part *p, struct pidspace_error *err)
{
	const struct frame_kind *k = frame_kind_of(p->type);
	ProtobufCMessage *m;

	if (!k || !k->descriptor)
		return dump_bytes(p->body, p->len);
	m = image_part_unpack(p, err);
	if (!m)
		return NULL;
	struct json_object *o = dump_message(m);
	if (p->type == FRAME_OPEN_FILE)
		dump_open_file(o, (const OpenFile *)m);
	protobuf_c_message_free_unpacked(m, NULL);
	return o;
}

/* There is one of them; all other frames come in numbers and make a list. */
static bool is_single(uint16_t type)
{
	return type == FRAME_HOST || type == FRAME_CONTAINER;
}

static bool is_wanted(const char *what, uint16_t type)
{
	if (!strcmp(what, "ps-tree"))
		return type == FRAME_PROCESS;
	if (!strcmp(what, "files"))
		return type != FRAME_HOST && type != FRAME_CONTAINER && type != FRAME_PROCESS &&
		       type != FRAME_ADDRESS_SPACE && type != FRAME_FD_TABLE;
	if (!strcmp(what, "mem"))
		return type == FRAME_SHARED_MEMORY;
	if (!strcmp(what, "host"))
		return type == FRAME_HOST;
	if (!strcmp(what, "container"))
		return type == FRAME_CONTAINER;
	return !strcmp(what, "all");
}

static int dump_parts(const struct pidspace_image *i, const char *what, struct json_object *root,
		      struct pidspace_error *err)
{
	vec_each(p, &i->parts)
	{
		const struct frame_kind *k = frame_kind_of(p->type);
		const char *key = k ? k->key : "unknown";
		struct json_object *list;

		if (!is_wanted(what, p->type))
			continue;
		struct json_object *o = dump_part(p, err);
		if (!o)
			return -EBADMSG;
		if (is_single(p->type)) {
			json_object_object_add(root, key, o);
			continue;
		}
		if (!json_object_object_get_ex(root, key, &list)) {
			list = json_object_new_array();
			json_object_object_add(root, key, list);
		}
		json_object_array_add(list, o);
	}
	return 0;
}

static struct json_object *dump_spaces(const struct pidspace_image *i)
{
	struct json_object *list = json_object_new_array();

	vec_each(s, &i->spaces)
	{
		struct json_object *o = json_object_new_object();
		json_object_object_add(o, "space",
				       json_object_new_uint64(s->space_id & 0x7fffffff));
		/* Objects beside address spaces (memfd, deleted files) have the top bit set. */
		json_object_object_add(
			o, "of",
			json_object_new_string(s->space_id >> 31 ? "object" : "address_space"));
		json_object_object_add(o, "start", json_object_new_uint64(s->start));
		json_object_object_add(o, "end", json_object_new_uint64(s->end));
		json_object_object_add(o, "frames", json_object_new_uint64(s->frames));
		json_object_object_add(o, "runs", json_object_new_uint64(s->runs));
		json_object_object_add(o, "data_bytes", json_object_new_uint64(s->data_bytes));
		json_object_object_add(o, "zero_bytes", json_object_new_uint64(s->zero_bytes));
		json_object_object_add(o, "earlier_bytes", json_object_new_uint64(s->earlier_bytes));
		json_object_object_add(o, "stored_raw_bytes",
				       json_object_new_uint64(s->stored_bytes[IMAGE_NONE]));
		json_object_object_add(o, "stored_lz4_bytes",
				       json_object_new_uint64(s->stored_bytes[IMAGE_LZ4]));
		json_object_object_add(o, "stored_zstd_bytes",
				       json_object_new_uint64(s->stored_bytes[IMAGE_ZSTD]));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *dump_early(const struct pidspace_image *i)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "frames", json_object_new_uint64(i->early_frames));
	json_object_object_add(o, "bytes", json_object_new_uint64(i->early_bytes));
	json_object_object_add(o, "stored_bytes", json_object_new_uint64(i->early_stored_bytes));
	return o;
}

int pidspace_image_json(struct pidspace_image *i, const char *what, char **ret,
			struct pidspace_error *err)
{
	static const char *const known[] = {"all", "ps-tree", "files", "mem", "host", "container"};
	struct json_object *root;
	size_t k = 0;

	while (k < sizeof known / sizeof *known && strcmp(what, known[k]))
		k++;
	if (k == sizeof known / sizeof *known)
		return error_set(err, -EINVAL, "E_USAGE",
				 "\"%s\" is no part of an image; there are all, ps-tree, files, "
				 "mem, host and container",
				 what);
	root = json_object_new_object();
	int status = 0;
	if (!strcmp(what, "mem"))
		status = image_mem_tables(i, root, err);
	if (!strcmp(what, "files"))
		status = image_file_tables(i, root, err);
	if (!status)
		status = dump_parts(i, what, root, err);
	if (!status && (!strcmp(what, "all") || !strcmp(what, "mem")))
		json_object_object_add(root, "memory", dump_spaces(i));
	if (!status && (!strcmp(what, "all") || !strcmp(what, "mem")) && i->early_frames)
		json_object_object_add(root, "early_pages", dump_early(i));
	if (!status && !strcmp(what, "all")) {
		json_object_object_add(root, "frames", json_object_new_uint64(i->frames));
		json_object_object_add(root, "pages_verified",
				       json_object_new_boolean(i->verified));
	}
	if (!status) {
		const char *text = json_object_to_json_string_ext(
			root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
		*ret = text ? strdup(text) : NULL;
		if (!*ret)
			status = error_sys(err, -ENOMEM, "describe an image");
	}
	json_object_put(root);
	return status;
}
