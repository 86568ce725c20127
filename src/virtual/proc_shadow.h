#pragma once
/* Directories that hold the names the container may see, in a file system of ours, so that getdents(2)
 * works on their descriptors with no help. One directory for each directory of /proc that anyone opened or
 * looked at, named for its place: "0:7:task" is /proc/7/task. The entries in it are empty and nobody
 * may enter them: whatever is looked up below goes through proc_view_resolve().
 *
 * A directory keeps its identity while it is filled anew, which happens only when nobody is reading it:
 * every descriptor handed out holds a shared flock(2), and filling takes an exclusive one. Is it in use and
 * out of date, the opener gets another ("1:7:task").
 *
 * A tmpfs lists the newest entry first, so entries are made last to first; other file systems have an
 * order of their own. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include <pidspace/error.h>

struct proc_shadow;

struct proc_entry {
	char name[64];
	unsigned char type; /* DT_DIR, DT_REG or DT_LNK */
};

/* In the first of the n directories that is a tmpfs and writable, else the first writable one. */
int proc_shadow_new(struct proc_shadow **ret, const char *const *dirs, size_t n,
		    struct pidspace_error *err);
/* Removes everything. NULL is fine. */
void proc_shadow_free(struct proc_shadow *s);

/* Opens the directory for place (relative to /proc) with open(2) flags, filled with just these entries in
 * this order. A descriptor, O_CLOEXEC, the caller's; -errno. */
int proc_shadow_open(struct proc_shadow *s, const char *place, const struct proc_entry *entries, size_t n,
		     int open_flags);

/* The identity and path of the directory that the next opener gets, most likely. -errno. */
int proc_shadow_stat(struct proc_shadow *s, const char *place, struct stat *ret);
int proc_shadow_path(struct proc_shadow *s, const char *place, char *ret, size_t size);

/* Turns a path as /proc/PID/fd and /proc/PID/cwd show it back into the place; -ENOENT: not one of ours. */
int proc_shadow_place(const struct proc_shadow *s, const char *path, char *ret, size_t size);
