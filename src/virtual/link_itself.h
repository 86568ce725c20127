#pragma once
/* Which calls on a path mean a symbolic link itself, and which what it leads to: path_resolution(7). Freestanding. */
#include <asm/unistd.h>
#if __STDC_HOSTED__
#include <fcntl.h>
#else
#include <linux/fcntl.h>
#endif

#include "virtual/catalogue.h"

/* Where open_flags, O_* of a call that opens, are not looked at they may be 0. */
static inline bool names_link_itself(const struct catalogue_row *r, const uint64_t arg[6], uint64_t open_flags)
{
	uint64_t flags = r->flags < 6 ? arg[r->flags] : 0;

	switch (r->nr) {
	case __NR_lstat:
	case __NR_readlink:
	case __NR_readlinkat:
	case __NR_lchown:
	case __NR_lsetxattr:
	case __NR_lgetxattr:
	case __NR_llistxattr:
	case __NR_lremovexattr:
	case __NR_unlink:
	case __NR_unlinkat:
	case __NR_rmdir:
	case __NR_mkdir:
	case __NR_mkdirat:
	case __NR_mknod:
	case __NR_mknodat:
	case __NR_symlink:
	case __NR_symlinkat:
	case __NR_rename:
	case __NR_renameat:
	case __NR_renameat2:
	case __NR_link:
		return true;
	case __NR_linkat:
	case __NR_name_to_handle_at:
		return !(flags & AT_SYMLINK_FOLLOW);
	case __NR_open:
	case __NR_openat:
	case __NR_openat2:
	case __NR_creat:
		return (open_flags & O_NOFOLLOW) || (open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	default:
		return r->flags < 6 && r->in[r->flags] == ROLE_ATFLAGS && (flags & AT_SYMLINK_NOFOLLOW);
	}
}
