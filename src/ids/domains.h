#pragma once
/* The two domains a pid can belong to. They are different types so that the compiler refuses a
 * mix-up; a bare pid_t appears only in kernel/ and in register code. int32_t is pid_t (the kernel's
 * __kernel_pid_t) without a header of libc: code that runs inside foreign processes includes this. */
#include <stdint.h>

struct hpid {
	int32_t n; /* what this kernel calls the task, seen from our own PID namespace */
};

struct vpid {
	int32_t n; /* what the container's own processes call it */
};

static inline struct hpid hpid_of(int32_t n)
{
	return (struct hpid){n};
}

static inline struct vpid vpid_of(int32_t n)
{
	return (struct vpid){n};
}
