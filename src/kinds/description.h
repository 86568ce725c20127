#pragma once
/* What many kinds need to know of an open file description. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "checkpoint/context.h"

/* Flags of open(2) that make or find a file, as opposed to what the description stays. */
#define DESCRIPTION_OPEN_ONLY (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY)

/* The value behind "key:" at the start of a line of fdinfo text, or NULL. */
const char *description_info(const char *info, const char *key);

/* Fresh text of /proc/self/fdinfo/fd (the caller frees it). -errno. */
int description_own_info(int fd, char **ret);

/* A new description of the same file, by /proc/self/fd: what open(2) would give without any path.
 * flags may hold O_DIRECT for pipes and O_ASYNC, which open refuses there. -errno. */
int description_reopen(int fd, uint32_t flags);

/* Sets the flags that F_SETFL can change to what flags say. -errno. */
int description_set_flags(int fd, uint32_t flags);

/* Turns O_ASYNC on for fd as if by descriptor number: the kernel remembers the number and tells it in
 * si_fd (fs/fcntl.c fasync_insert_entry). -errno. */
int description_set_async(int fd, int number);

/* Opens path as the container sees it, with the flags that a description had. -errno. */
int description_open(const struct restore *r, const char *path, uint32_t flags);

/* f_type of statfs(2), 0 when it does not tell. */
unsigned long description_fs(int fd);

/* Is fd on a file system whose files are handles of something else (/proc, namespaces, pidfds, message
 * queues, secret memory, huge pages), though they look like regular ones? */
bool description_special_fs(int fd);

/* st_mtim in ns since 1970. */
int64_t description_mtime_ns(const struct stat *st);
