#pragma once
/* The kinds that kinds/table.c lists. */
#include "kinds/fd_kind.h"

extern const struct fd_kind opath_kind, procfs_kind, procpid_kind, memfd_kind, deleted_kind, regular_kind,
	directory_kind, device_kind, pipe_kind, fifo_kind, eventfd_kind, timerfd_kind, signalfd_kind,
	epoll_kind;
extern const struct fd_kind refused_kind;
extern const struct fd_kind external_kind, unix_kind, tcp_kind, udp_kind, terminal_kind, tty_kind;
