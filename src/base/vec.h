#pragma once
/* A growing array: `VEC(struct vma) vmas;` is {at, n, cap}, zero is empty. vec_push returns the
 * address of a zeroed new last element, or NULL without memory. Elements move when it grows. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VEC(...)                                                                                   \
	struct {                                                                                   \
		__VA_ARGS__ *at;                                                                          \
		size_t n, cap;                                                                     \
	}

void *vec_grow(void **at, size_t *n, size_t *cap, size_t size);

#define vec_push(v)                                                                                \
	((__typeof__((v)->at))vec_grow((void **)&(v)->at, &(v)->n, &(v)->cap, sizeof *(v)->at))

/* Gives back what it has room for and does not need. */
#define vec_trim(v)                                                                                \
	do {                                                                                       \
		void *trimmed_ = (v)->n ? reallocarray((v)->at, (v)->n, sizeof *(v)->at) : NULL;   \
		if (trimmed_) {                                                                    \
			(v)->at = trimmed_;                                                        \
			(v)->cap = (v)->n;                                                         \
		}                                                                                  \
	} while (0)

#define vec_free(v)                                                                                \
	do {                                                                                       \
		free((v)->at);                                                                     \
		(v)->at = NULL;                                                                    \
		(v)->n = (v)->cap = 0;                                                             \
	} while (0)

/* ?: converts to a value, so that p itself is not const where *v is. */
#define vec_each(p, v)                                                                             \
	for (__typeof__(1 ? (v)->at : (v)->at) p = (v)->at; p && p < (v)->at + (v)->n; p++)
