#pragma once
/* Is the page (4096 bytes, 8-byte aligned) all zero? Most pages that are not show it in the first line. */
#include <stdbool.h>
#include <stdint.h>

#include "image/format.h"

static inline bool zero_page(const void *page)
{
	const uint64_t *p = page;
	const uint64_t *end = p + FORMAT_PAGE / sizeof *p;

	for (; p < end; p += 32) {
		uint64_t any = 0;
		for (unsigned i = 0; i < 32; i++) /* one vector register wide loop per 256 bytes */
			any |= p[i];
		if (any)
			return false;
	}
	return true;
}
