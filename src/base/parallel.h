#pragma once
/* The same work on many things, on as many processors as we may use. For what only reads: whoever calls
 * must not mind in which order or in which thread fn runs. ptrace(2) requests are out of place there,
 * they belong to the thread that attached. */
#include <stddef.h>

#define PARALLEL_MAX 8

/* Calls fn(arg, i, worker) once for each i below n, and returns when all have returned. worker is below
 * PARALLEL_MAX and says which thread this is, for buffers of its own. at_once: how many i a thread
 * takes at a time; with n no more than that everything runs in the caller. */
void parallel_for(size_t n, size_t at_once, void (*fn)(void *arg, size_t i, unsigned worker), void *arg);
