#pragma once
/* The pid map (ids/pid_map.h) as the shim uses it. */
#include "virtual/layout.h"

static inline struct pid_map_header *map(void)
{
	return (struct pid_map_header *)SHIM_MAP;
}

/* A vpid for a child of the calling thread, in the kernel's order. 0; -EAGAIN: all are in use; -ENOMEM: init is gone. */
int map_reserve(int owner, int *ret);

/* Makes vpid the number of a new task. */
void map_bind(int owner, int host, int vpid, uint32_t flags);
