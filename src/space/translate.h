#pragma once
/* The kernel translates pids where it can (ioctl_nsfs(2), Linux 6.11); these search the host's /proc
 * for NSpid lines instead. A task of a namespace nested in the container's counts as inside it. */
#include "space/space.h"

int translate_scan_to_host(const struct space *s, struct vpid pid, struct hpid *ret);
int translate_scan_to_guest(const struct space *s, struct hpid pid, struct vpid *ret);
