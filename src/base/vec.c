#include "base/vec.h"

void *vec_grow(void **at, size_t *n, size_t *cap, size_t size)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 8;
		void *p = reallocarray(*at, more, size);
		if (!p)
			return NULL;
		*at = p;
		*cap = more;
	}
	void *e = (char *)*at + (*n)++ * size;
	memset(e, 0, size);
	return e;
}
