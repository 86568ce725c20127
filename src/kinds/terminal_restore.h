#pragma once
/* The restoring half of terminals; the saving half is terminal.c. */
#include "kinds/fd_kind.h"

int terminal_restore_make(struct restore *r, const OpenFile *f, struct pidspace_error *err);
int terminal_restore_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err);
