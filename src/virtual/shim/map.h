#pragma once
/* The pid map as the shim uses it. */
#include <stdint.h>

/* A vpid for a task about to be born, in the kernel's order. -EAGAIN: all are in use. */
int map_reserve(void);
void map_cancel(int vpid);
void map_bind(int host, int vpid, uint32_t flags);
int map_last(void); /* the highest vpid that may be in use */
