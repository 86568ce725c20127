#pragma once
/* What the kernel knows of AF_UNIX sockets that no call on the socket itself tells: the other end. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ids/ids.h"

struct unix_diag {
	ino_t ino;
	uint8_t type, state; /* SOCK_*, TCP_ESTABLISHED, TCP_LISTEN or TCP_CLOSE */
	uint8_t shutdown;    /* 1 receiving, 2 sending */
	bool has_peer;       /* connected; peer is 0 when the other end was closed */
	ino_t peer;
	bool has_path;       /* bound to a path; its inode: */
	uint32_t path_dev;   /* as the kernel encodes it inside, see unix_diag_dev() */
	uint32_t path_ino;
	uint32_t queue;      /* listening: connections waiting; else bytes unread */
	uint32_t backlog;    /* listening: its limit */
};

/* Asks about the socket with this inode in our network namespace. NETLINK_SOCK_DIAG, sock_diag(7);
 * needs no right. -ENOENT: no such socket. One query costs a walk over the kernel's table, about as
 * much as one system call per few hundred sockets. */
int unix_diag_query(ino_t ino, struct unix_diag *ret, struct pidspace_error *err);

/* dev_t of a path_dev: the kernel's own encoding is major << 20 | minor (include/linux/kdev_t.h). */
dev_t unix_diag_dev(uint32_t kernel_dev);
