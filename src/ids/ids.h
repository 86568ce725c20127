#pragma once
/* The two domains a pid can belong to. They are different types so that the compiler refuses a
 * mix-up; a bare pid_t appears only in kernel/ and in register code.
 *
 * Roles: Linux knows one number in four roles, thread (tid), process (tgid), process group (pgid)
 * and session (sid). Names of fields and arguments say which. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <pidspace/error.h>

struct hpid {
	pid_t n; /* what this kernel calls the task, seen from our own PID namespace */
};

struct vpid {
	pid_t n; /* what the container's own processes call it */
};

static inline struct hpid hpid_of(pid_t n)
{
	return (struct hpid){n};
}

static inline struct vpid vpid_of(pid_t n)
{
	return (struct vpid){n};
}
