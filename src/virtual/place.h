#pragma once
/* The memory that every process of a container with virtual pids shares: making it, and mapping it into the
 * process that is to become vpid 1. layout.h has the picture. */
#include <sys/types.h>

#include <pidspace/error.h>
#include "ids/ids.h"
#include "ids/pid_map_file.h"
#include "virtual/layout.h"

/* A memfd with the shim's text, an empty struct shim_common and an empty pid map. The caller's. -errno. */
int place_create(pid_t pid_max, struct pidspace_error *err);

/* Maps all of it where the shim expects it and makes the shim handle SIGSYS: from now on this process may be put
 * under the filter. -EEXIST: something lies there already. */
int place_enter(int memfd, struct pidspace_error *err);

/* The shared part, mapped anywhere, for the warden and the commands. Zeroed: nothing is mapped. */
struct place {
	struct shim_common *common;
	struct pid_map_header *map;
};
int place_open(struct place *ret, int memfd, bool writable);
void place_close(struct place *p);

/* Is the host's task the one that is bound to pid, and not a stranger with its number? A zombie is. */
bool place_is_ours(const struct place *p, struct hpid host, struct vpid pid);
