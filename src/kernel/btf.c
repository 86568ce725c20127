#include "kernel/btf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"

#define KIND_ENUM64 19 /* BTF_KIND_ENUM64, Linux 6.0 */

/* How much follows the fixed part of a type's description. SIZE_MAX: of a kind not known here. */
static size_t tail_of(const struct btf_type *t)
{
	size_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	case KIND_ENUM64:
		return n * 12;
	}
	return SIZE_MAX;
}

static int read_whole(struct btf *b, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	b->len = (size_t)st.st_size;
	/* Since Linux 6.16 without a copy. */
	void *p = mmap(NULL, b->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p != MAP_FAILED) {
		b->at = p;
		b->mapped = true;
		return 0;
	}
	b->at = malloc(b->len + 1);
	if (!b->at)
		return -ENOMEM;
	ssize_t n = fd_read_all(fd, b->at, b->len);
	return n == (ssize_t)b->len ? 0 : n < 0 ? (int)n : -EBADMSG;
}

static int index_types(struct btf *b)
{
	const struct btf_header *h = (const struct btf_header *)b->at;

	if (b->len < sizeof *h || h->magic != BTF_MAGIC || h->hdr_len > b->len)
		return -EBADMSG;
	size_t room = b->len - h->hdr_len;
	if (h->type_off % 4 || h->type_off > room || h->type_len > room - h->type_off || h->str_off > room ||
	    h->str_len > room - h->str_off || !h->str_len)
		return -EBADMSG;
	b->names = (const char *)b->at + h->hdr_len + h->str_off;
	b->names_len = h->str_len;
	if (b->names[b->names_len - 1])
		return -EBADMSG;
	size_t at = h->hdr_len + h->type_off, end = at + h->type_len;
	b->type = malloc((h->type_len / sizeof(struct btf_type) + 2) * sizeof *b->type);
	if (!b->type)
		return -ENOMEM;
	b->type[0] = 0; /* void */
	b->n_types = 1;
	while (end - at >= sizeof(struct btf_type)) {
		size_t tail = tail_of((const struct btf_type *)(b->at + at));
		if (tail > end - at - sizeof(struct btf_type))
			return -EBADMSG;
		b->type[b->n_types++] = (uint32_t)at;
		at += sizeof(struct btf_type) + tail;
	}
	return 0;
}

int btf_open(struct btf *ret)
{
	struct btf b = {};
	_cleanup_close_ int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_whole(&b, fd);

	if (r == 0)
		r = index_types(&b);
	if (r < 0)
		btf_close(&b);
	else
		*ret = b;
	return r;
}

void btf_close(struct btf *b)
{
	if (b->mapped)
		munmap(b->at, b->len);
	else
		free(b->at);
	free(b->type);
	*b = (struct btf){};
}

static const struct btf_type *type_at(const struct btf *b, uint32_t id)
{
	return id && id < b->n_types ? (const struct btf_type *)(b->at + b->type[id]) : NULL;
}

static const char *name_at(const struct btf *b, uint32_t at)
{
	return at < b->names_len ? b->names + at : "";
}

static void find_all(const struct btf *b, unsigned kind, const char *const *name, size_t n, uint32_t *ret)
{
	memset(ret, 0, n * sizeof *ret);
	for (uint32_t id = 1; id < b->n_types; id++) {
		const struct btf_type *t = type_at(b, id);
		if (BTF_INFO_KIND(t->info) != kind)
			continue;
		const char *its = name_at(b, t->name_off);
		for (size_t i = 0; i < n; i++)
			if (!ret[i] && *its == *name[i] && !strcmp(its, name[i]))
				ret[i] = id;
	}
}

void btf_structs(const struct btf *b, const char *const *name, size_t n, uint32_t *ret)
{
	find_all(b, BTF_KIND_STRUCT, name, n, ret);
}

void btf_functions(const struct btf *b, const char *const *name, size_t n, uint32_t *ret)
{
	find_all(b, BTF_KIND_FUNC, name, n, ret);
}

/* Without typedefs and qualifiers. */
static const struct btf_type *bare(const struct btf *b, uint32_t id, uint32_t *ret_id)
{
	for (int i = 0; i < 16; i++) {
		const struct btf_type *t = type_at(b, id);
		*ret_id = id;
		if (!t)
			return NULL;
		switch (BTF_INFO_KIND(t->info)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			id = t->type;
			continue;
		}
		return t;
	}
	return NULL;
}

/* 0: not known. */
static uint32_t size_of(const struct btf *b, uint32_t id)
{
	const struct btf_array *a;
	uint32_t n = 1;

	for (int i = 0; i < 8; i++) {
		const struct btf_type *t = bare(b, id, &id);
		switch (t ? BTF_INFO_KIND(t->info) : BTF_KIND_UNKN) {
		case BTF_KIND_PTR:
			return n * (uint32_t)sizeof(void *);
		case BTF_KIND_INT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case KIND_ENUM64:
			return n * t->size;
		case BTF_KIND_ARRAY:
			a = (const struct btf_array *)(t + 1);
			n *= a->nelems;
			id = a->type;
			continue;
		}
		return 0;
	}
	return 0;
}

static bool is_word(const char *name, const char *path, size_t len)
{
	return !strncmp(name, path, len) && !name[len];
}

/* One member, without dots. */
static int find_member(const struct btf *b, uint32_t id, const char *word, size_t len, struct btf_field *ret,
		       uint32_t *ret_type)
{
	const struct btf_type *t = bare(b, id, &id);

	if (!t || (BTF_INFO_KIND(t->info) != BTF_KIND_STRUCT && BTF_INFO_KIND(t->info) != BTF_KIND_UNION))
		return -ENOENT;
	const struct btf_member *m = (const struct btf_member *)(t + 1);
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++, m++) {
		uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BITFIELD_SIZE(m->offset) : 0;
		uint32_t at = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m->offset) : m->offset;
		const char *name = name_at(b, m->name_off);
		if (is_word(name, word, len)) {
			*ret = (struct btf_field){at / 8, bits ? (at % 8 + bits + 7) / 8 : size_of(b, m->type)};
			*ret_type = m->type;
			return 0;
		}
		if (!*name && find_member(b, m->type, word, len, ret, ret_type) == 0) {
			ret->at += at / 8;
			return 0;
		}
	}
	return -ENOENT;
}

int btf_field(const struct btf *b, uint32_t id, const char *path, struct btf_field *ret)
{
	struct btf_field f = {};

	for (;;) {
		size_t len = strcspn(path, ".");
		struct btf_field part;
		int r = find_member(b, id, path, len, &part, &id);
		if (r < 0)
			return r;
		f.at += part.at;
		f.size = part.size;
		if (!path[len])
			break;
		path += len + 1;
	}
	*ret = f;
	return 0;
}
