#pragma once
/* Owned descriptors and memory. A variable marked _cleanup_close_ is closed when it leaves scope
 * unless fd_take() moved it out; -1 means "none". Every descriptor made here is O_CLOEXEC. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static inline void fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void free_ptr(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

#define _cleanup_close_ __attribute__((cleanup(fd_closep)))
#define _cleanup_free_ __attribute__((cleanup(free_ptr)))

/* Moves ownership out of *fd, leaving -1. */
static inline int fd_take(int *fd)
{
	int n = *fd;
	*fd = -1;
	return n;
}

/* Reads or writes all of n bytes, restarting after EINTR and short transfers.
 * Returns n, less than n at end of file (read only), or -errno. */
ssize_t fd_read_all(int fd, void *buf, size_t n);
ssize_t fd_write_all(int fd, const void *buf, size_t n);
ssize_t fd_pread_all(int fd, void *buf, size_t n, off_t at);

/* Reads the whole file into a fresh NUL-terminated buffer (the caller frees it); *ret_len, if not
 * NULL, is its length without the NUL. For /proc files too, whose size is unknown. -errno. */
int fd_slurp_at(int dirfd, const char *path, char **ret, size_t *ret_len);

/* Writes a string to an existing file in one write(2), as /proc and cgroup files want. -errno. */
int fd_write_str_at(int dirfd, const char *path, const char *text);

/* Sends or receives data with up to max descriptors as SCM_RIGHTS. fd_recv_fds returns the bytes
 * received (0: peer closed) with *ret_nfds descriptors, O_CLOEXEC, the caller's. -errno. */
ssize_t fd_send_fds(int sock, const void *data, size_t len, const int *fds, size_t nfds);
ssize_t fd_recv_fds(int sock, void *data, size_t len, int *ret_fds, size_t max, size_t *ret_nfds);

/* Allows this process as many descriptors as its hard limit does; returns the soft limit that was, for
 * fd_limit_set() afterwards, so that what it starts later inherits no more than before. setrlimit(2). */
uint64_t fd_limit_raise(void);
void fd_limit_set(uint64_t soft);

/* Makes our descriptor table large enough for n descriptors now (fd: any open one). Once threads share the
 * table every growth waits for an RCU grace period (fs/file.c expand_fdtable()). */
void fd_table_reserve(int fd, int n);

/* Closes everything from 3 up but keep[n], whose -1s mean nothing: an inherited end of someone's pipe would be held
 * open for as long as the caller lives. */
void fd_close_others(const int *keep, size_t n);
