#pragma once
/* struct hpid and struct vpid, for hosted code.
 *
 * Roles: Linux knows one number in four roles, thread (tid), process (tgid), process group (pgid)
 * and session (sid). Names of fields and arguments say which. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <pidspace/error.h>

#include "ids/domains.h"

_Static_assert(sizeof(pid_t) == sizeof(int32_t), "a pid is 32 bits wide");
