#pragma once
/* System calls of the shim's own: from the gate, so allowed and not translated. All pids are the host's.
 * Results are as the kernel gives them: -errno. */
#include <asm/unistd.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtual/layout.h"

long shim_call(long nr, long a, long b, long c, long d, long e, long f);
long shim_bell(struct shim_request *q);
long shim_ring(enum shim_ask ask, long tgid, long a, long b);

#define CALL0(nr) shim_call(nr, 0, 0, 0, 0, 0, 0)
#define CALL1(nr, a) shim_call(nr, (long)(a), 0, 0, 0, 0, 0)
#define CALL2(nr, a, b) shim_call(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL3(nr, a, b, c) shim_call(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL4(nr, a, b, c, d) shim_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define CALL5(nr, a, b, c, d, e) shim_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline struct shim_common *common(void)
{
	return (struct shim_common *)SHIM_COMMON;
}
