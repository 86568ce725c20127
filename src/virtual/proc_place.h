#pragma once
/* From names to places and back; see struct proc_place in proc_view.h. */
#include "virtual/proc_rules.h"

/* Goes down by one component as the container names it. The kernel has the last word on whether it exists.
 * -ENOENT: it is not for the container; *ret_unknown (may be NULL) says that no rule knows it. */
int proc_place_child(const struct proc_view *v, struct proc_place *p, const char *name, bool *ret_unknown);

/* Goes up by one; p is not /proc itself. -ENOENT: its processes are gone. */
int proc_place_parent(const struct proc_view *v, struct proc_place *p);

/* A whole path below /proc in the container's numbers, and in the host's. -ENOENT. */
int proc_place_parse(const struct proc_view *v, const char *guest, struct proc_place *ret);
int proc_place_parse_host(const struct proc_view *v, const char *host, struct proc_place *ret);

/* Is the directory, the root of a procfs, one of our own PID namespace? Others show numbers that we cannot
 * convert. */
bool proc_is_ours(struct proc_view *v, int root_fd);
bool proc_is_known(const struct proc_view *v, dev_t dev);

/* Where the object open as fd, in some procfs, is: in the container's eyes. c is asked for its mounts. -ENOENT. */
int proc_place_of_fd(struct proc_view *v, const struct proc_caller *c, int fd, struct proc_place *ret);

/* Is fd on a procfs? */
bool proc_on_procfs(int fd);

/* What `self` or `thread-self` reads as for the caller: the length without NUL; -ENOENT. */
ssize_t proc_self_text(const struct proc_view *v, const struct proc_caller *c, const char *name, char *ret,
		       size_t size);

/* readlink of /proc/self/fd/N. -errno. */
int proc_fd_text(const struct proc_view *v, int fd, char *ret, size_t size);
