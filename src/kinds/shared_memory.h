#pragma once
/* Objects of shared memory: memfd_create(2) and mmap(2) MAP_SHARED|MAP_ANONYMOUS ("/dev/zero (deleted)"
 * in maps). One object however many descriptions and mappings, known by (dev, ino). (Unlinked files of a
 * tmpfs are deleted files: kinds/deleted.h.) */
#include "checkpoint/context.h"
#include "shared_memory.pb-c.h"

/* Is a file with this link (of /proc/PID/fd or maps) such an object? */
bool shm_object_is(const char *link);

/* Saves object (dev, ino) once and returns its id in *ret_id. With a descriptor of it (readable, or
 * writable by us; borrowed) its size, seals and content are taken from there (kinds/content.h). With
 * fd -1 (anonymous, no map_files) only the frame is written, size bytes long, and the caller writes its
 * pages under space id CONTENT_SPACE | id, address the offset in the object; *ret_new says that it was
 * met for the first time (may be NULL). -ENOTSUP after a refusal (E_HUGETLB). */
int shm_object_save(struct save *s, const struct saved_file *f, dev_t dev, ino_t ino, const char *link,
		    int fd, uint64_t size, uint32_t *ret_id, bool *ret_new,
		    struct pidspace_error *err);

/* Makes the object described by the image's frame, at first use. Returns our descriptor (O_RDWR,
 * borrowed, lives as long as r). */
int shm_object_make(struct restore *r, uint32_t id, struct pidspace_error *err);

/* A new description of it with flags (O_RDONLY, O_RDWR, ...), the caller's. */
int shm_object_open(struct restore *r, uint32_t id, uint32_t flags, struct pidspace_error *err);
