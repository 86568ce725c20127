#pragma once
/* Every call that takes a path, so that all of them can be tried on one. */
#include "case.h"

/* Where a call takes the path; the others of its arguments are such that they do not matter before the path is looked up. */
#define PATH ((long)0x7061746800)
#define CWD AT_FDCWD

static char buffer[4096];
static char beside[1024]; /* the other path of a call with two */
static struct { uint64_t flags, mode, resolve; } how; /* open_how: O_RDONLY */
static struct { uint64_t value; uint32_t size, flags; } value; /* xattr_args */
static struct { uint64_t set, clear, propagation, userns; } attr = { .set = 1 }; /* mount_attr: read-only */

static struct call {
	const char *name;
	long nr, arg[6];
	bool fd;      /* the answer is a descriptor */
	bool machine; /* would change more than a file if it came through: not tried on what is there */
} calls[] = {
#define CALL(name, ...) { #name, SYS_##name, { __VA_ARGS__ } }
#define OPENS(name, ...) { #name, SYS_##name, { __VA_ARGS__ }, .fd = true }
#define MACHINE(name, ...) { #name, SYS_##name, { __VA_ARGS__ }, .machine = true }
	OPENS(open, PATH, O_RDONLY),
	OPENS(openat, CWD, PATH, O_RDONLY),
	OPENS(openat2, CWD, PATH, (long)&how, sizeof(how)),
	OPENS(creat, PATH, 0600),
	CALL(stat, PATH, (long)buffer),
	CALL(lstat, PATH, (long)buffer),
	CALL(newfstatat, CWD, PATH, (long)buffer, 0),
	CALL(statx, CWD, PATH, 0, 0x7ff, (long)buffer),
	CALL(access, PATH, R_OK),
	CALL(faccessat, CWD, PATH, R_OK),
	CALL(faccessat2, CWD, PATH, R_OK, 0),
	CALL(readlink, PATH, (long)buffer, 64),
	CALL(readlinkat, CWD, PATH, (long)buffer, 64),
	CALL(chdir, PATH),
	MACHINE(chroot, PATH),
	CALL(statfs, PATH, (long)buffer),
	CALL(setxattr, PATH, (long)"user.x", (long)"v", 1, 0),
	CALL(lsetxattr, PATH, (long)"user.x", (long)"v", 1, 0),
	CALL(getxattr, PATH, (long)"user.x", (long)buffer, 64),
	CALL(lgetxattr, PATH, (long)"user.x", (long)buffer, 64),
	CALL(listxattr, PATH, (long)buffer, 64),
	CALL(llistxattr, PATH, (long)buffer, 64),
	CALL(removexattr, PATH, (long)"user.x"),
	CALL(lremovexattr, PATH, (long)"user.x"),
	CALL(setxattrat, CWD, PATH, 0, (long)"user.x", (long)&value, sizeof(value)),
	CALL(getxattrat, CWD, PATH, 0, (long)"user.x", (long)&value, sizeof(value)),
	CALL(listxattrat, CWD, PATH, 0, (long)buffer, 64),
	CALL(removexattrat, CWD, PATH, 0, (long)"user.x"),
	CALL(file_getattr, CWD, PATH, (long)buffer, 24, 0),
	CALL(file_setattr, CWD, PATH, (long)buffer, 24, 0),
	CALL(utime, PATH, 0),
	CALL(utimes, PATH, 0),
	CALL(futimesat, CWD, PATH, 0),
	CALL(utimensat, CWD, PATH, 0, 0),
	CALL(chmod, PATH, 0600),
	CALL(fchmodat, CWD, PATH, 0600),
	CALL(fchmodat2, CWD, PATH, 0600, 0),
	CALL(chown, PATH, -1, -1),
	CALL(lchown, PATH, -1, -1),
	CALL(fchownat, CWD, PATH, -1, -1, 0),
	CALL(truncate, PATH, 0),
	CALL(link, PATH, (long)beside),
	CALL(link, (long)beside, PATH),
	CALL(linkat, CWD, PATH, CWD, (long)beside, 0),
	CALL(linkat, CWD, (long)beside, CWD, PATH, 0),
	CALL(symlink, (long)"x", PATH),
	CALL(symlinkat, (long)"x", CWD, PATH),
	CALL(rename, PATH, (long)beside),
	CALL(rename, (long)beside, PATH),
	CALL(renameat, CWD, PATH, CWD, (long)beside),
	CALL(renameat, CWD, (long)beside, CWD, PATH),
	CALL(renameat2, CWD, PATH, CWD, (long)beside, 0),
	CALL(renameat2, CWD, (long)beside, CWD, PATH, 0),
	CALL(unlink, PATH),
	CALL(unlinkat, CWD, PATH, 0),
	CALL(mkdir, PATH, 0700),
	CALL(mkdirat, CWD, PATH, 0700),
	CALL(rmdir, PATH),
	CALL(mknod, PATH, S_IFIFO | 0600, 0),
	CALL(mknodat, CWD, PATH, S_IFIFO | 0600, 0),
	CALL(name_to_handle_at, CWD, PATH, (long)buffer, (long)&buffer[256], 0),
	CALL(inotify_add_watch, -1, PATH, 1),
	CALL(fanotify_mark, -1, 1 /* FAN_MARK_ADD */, 0x20 /* FAN_OPEN */, CWD, PATH),
	MACHINE(acct, PATH),
	CALL(uselib, PATH),
	MACHINE(swapon, PATH, 0),
	MACHINE(swapoff, PATH),
	MACHINE(quotactl, 0x80000400 /* Q_GETFMT, users */, PATH, 0, (long)buffer),
	MACHINE(pivot_root, PATH, PATH),
	MACHINE(umount2, PATH, 0),
	OPENS(open_tree, CWD, PATH, 0),
	OPENS(open_tree_attr, CWD, PATH, 0, 0, 0),
	MACHINE(move_mount, CWD, PATH, CWD, (long)beside, 0),
	OPENS(fspick, CWD, PATH, 0),
	MACHINE(mount_setattr, CWD, PATH, 0, (long)&attr, sizeof(attr)),
};

/* Descriptors that calls need beside the path. */
static void prepare(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].nr == SYS_inotify_add_watch)
			calls[i].arg[0] = raw(SYS_inotify_init1, 0);
		if (calls[i].nr == SYS_fanotify_mark)
			calls[i].arg[0] = raw(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, 0);
	}
}

static long call_on(const struct call *c, const char *path)
{
	long arg[6], r;

	memset(buffer, 0, sizeof(buffer));
	for (int i = 0; i < 6; i++)
		arg[i] = c->arg[i] == PATH ? (long)path : c->arg[i];
	r = raw(c->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	if (r >= 0 && c->fd)
		raw(SYS_close, r);
	return r > 0 && (c->fd || c->nr == SYS_inotify_add_watch) ? 0 : r;
}
