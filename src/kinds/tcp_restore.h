#pragma once
/* The restoring half of TCP sockets; the saving half is tcp.c. */
#include "kinds/fd_kind.h"

int tcp_restore_make(struct restore *r, const OpenFile *f, struct pidspace_error *err);
int tcp_restore_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err);
