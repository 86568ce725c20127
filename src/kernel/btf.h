#pragma once
/* Where the members of the kernel's own structures lie, as the running kernel tells it in /sys/kernel/btf/vmlinux
 * (Documentation/bpf/btf.rst): what a BPF program needs to know to follow pointers from a task. */
#include <stddef.h>
#include <stdint.h>

struct btf {
	uint8_t *at;          /* the whole file */
	size_t len;
	uint32_t *type;       /* where each type is described, by id; 0: there is none */
	uint32_t n_types;
	const char *names;
	size_t names_len;
	_Bool mapped;
};

/* 0; -ENOENT: the kernel has none; -EBADMSG: it is not understood. */
int btf_open(struct btf *ret);
void btf_close(struct btf *b);

/* Looks up several structures, or functions, at once: ret[i] is the id of name[i], 0: there is none. */
void btf_structs(const struct btf *b, const char *const *name, size_t n, uint32_t *ret);
void btf_functions(const struct btf *b, const char *const *name, size_t n, uint32_t *ret);

struct btf_field {
	uint32_t at, size; /* bytes; of a bit field those that hold it; size 0: an array without a length, or not known */
};
/* A member of the structure with this id, "member" or "member.of.it", through unnamed structures and unions as C sees
 * them. -ENOENT. */
int btf_field(const struct btf *b, uint32_t id, const char *path, struct btf_field *ret);
