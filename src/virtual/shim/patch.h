#pragma once
/* What the shim keeps in SHIM_PRIVATE, memory of the process's own: nothing in it is needed, but for the guest's
 * actions. A child of fork(2) has a copy, one of vfork(2) its parent's; after an exec it is empty. */
#include <asm/signal.h>

#include "virtual/layout.h"

struct catalogue_row;

/* A place in the code that traps (the low half of its address), and how often it has. */
struct place {
	uint32_t at, count;
};
#define PLACES 256

/* Code of ours near somebody's. */
struct area {
	uint64_t base, used;
};
#define AREAS 16
#define AREA_SIZE 0x4000
#define REACH UINT64_C(0x70000000)

struct own {
	struct sigaction sigsys; /* what the guest believes of SIGSYS */
	int32_t host, vpid;      /* of the process that began this image; 0: look into the map */
	uint32_t in_proc;        /* TASK_IN_PROC, where no call is needed to look */
	uint32_t patching;       /* a lock that nobody waits for */
	uint32_t small_stacks;   /* the program is one of Go's */
	uint32_t threaded;       /* more than one thread has had this memory */
	uint32_t shares_files;   /* perhaps, with another process */
	uint64_t restorer[64];   /* of the guest's actions: there is no use for them, but they are told */
	uint64_t once[2];        /* signals with SA_RESETHAND where the kernel must not do it: vpid 1's, and what its children
				  * inherit, of which one of vfork(2) has other actions in the same memory */
	struct area areas[AREAS];
	struct place places[PLACES];
};
_Static_assert(sizeof(struct own) <= SHIM_PRIVATE_SIZE, "struct own has outgrown its place");

static inline struct own *own(void)
{
	return (struct own *)SHIM_PRIVATE;
}

/* Is this device the real /proc's, or that of our stand-ins for it, where this process may have one? Others have files there as
 * well. */
static inline bool shows_proc(uint64_t dev)
{
	const struct shim_common *c = (const struct shim_common *)SHIM_COMMON;

	return dev == c->proc_dev || (own()->in_proc && dev == c->shadow_dev);
}

/* Writes into this process where it may not itself; false where the kernel does not. */
bool patch_write_code(uint64_t at, const void *bytes, unsigned long n);

/* The call nr, of row r, has trapped at rip. */
void patch_consider(const struct catalogue_row *r, uint64_t rip, uint32_t nr);
