#pragma once
/* The restoring half of AF_UNIX sockets; the saving half is unix_pair.c. */
#include "kinds/fd_kind.h"

int unix_restore_make(struct restore *r, const OpenFile *f, struct pidspace_error *err);
int unix_restore_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err);
