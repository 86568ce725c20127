#pragma once
/* Making a pid map, opening another's, and looking after it: the hosted side of ids/pid_map.h.
 *
 * A map is a memfd. Whoever has the descriptor may map it at any address; the processes of a
 * container have it at one fixed address. Ownership: the caller closes the descriptor and calls
 * pid_map_unmap(). */
#include <stdio.h>

#include "ids/ids.h"
#include "ids/pid_map.h"

struct pid_map_options {
	enum pid_map_kind kind;
	uint32_t pid_max;      /* 0: as high as it goes; else 301 (the kernel's least) or more */
	uint64_t container_id; /* masked: 1 to 2^(22 - masked_bits) - 1, unique on the host */
	uint32_t masked_bits;  /* masked only; 0: PID_MAP_MASKED_USUAL */
};

/* Bytes of a map of this kind, header included: address space, not memory; a multiple of the page
 * size. 0: no such kind. */
uint64_t pid_map_size(enum pid_map_kind kind);

/* A new memfd (O_CLOEXEC) with an empty map. -EINVAL: kind or pid_max; else memfd_create(2),
 * ftruncate(2). */
int pid_map_create(const struct pid_map_options *o, struct pidspace_error *err);

/* Maps fd MAP_SHARED, at address unless that is NULL (nothing may be mapped there: -EEXIST,
 * MAP_FIXED_NOREPLACE), for reading or also for writing, and checks that it is a pid map. -EINVAL:
 * it is none; -EPROTO: it is one of another version. */
int pid_map_map(int fd, void *address, bool writable, struct pid_map_header **ret,
		struct pidspace_error *err);

/* NULL is fine. */
void pid_map_unmap(struct pid_map_header *m);

/* One line a number, in order, with what the map holds of it; for debugging. */
void pid_map_dump(const struct pid_map_header *m, FILE *to);

/* Frees what is left of the dead: reservations whose owner is gone, halves of bindings, and bound
 * numbers whose host pid the kernel knows in no role any more. in_use tells whether it does. Sets
 * the count of tasks right when nothing was bound or released meanwhile. Returns how many numbers
 * were freed. */
size_t pid_map_sweep(struct pid_map_header *m, bool (*in_use)(void *arg, struct hpid host),
		     void *arg);

/* Gives memory of pages back on which no number is in use any more, to be called now and then by
 * one process only, the warden: tasks that have come and gone leave 20 bytes each. Nothing to do
 * for other kinds than direct. How many pages went back, or -errno of madvise(2), MADV_REMOVE. m is
 * mapped for writing. */
ssize_t pid_map_trim(struct pid_map_header *m);
