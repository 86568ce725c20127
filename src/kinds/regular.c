#include "kinds/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/deleted.h"
#include "kinds/description.h"
#include "kinds/kinds.h"
#include "kinds/message.h"
#include "kinds/tree_file.h"

/* File systems whose files are made up when looked at: size and mtime say nothing. */
static bool is_made_up(unsigned long fs)
{
	return fs == SYSFS_MAGIC || fs == CGROUP2_SUPER_MAGIC || fs == CGROUP_SUPER_MAGIC ||
	       fs == DEBUGFS_MAGIC || fs == TRACEFS_MAGIC || fs == SECURITYFS_MAGIC ||
	       fs == PROC_SUPER_MAGIC;
}

int regular_describe(struct save *s, const struct saved_file *f, const char *link,
		     const struct stat *st, int fd, RegularFile *ret)
{
	_cleanup_close_ int same = save_open_same(s, link, st);

	regular_file__init(ret);
	if (same < 0) {
		save_refuse(s, f, "E_FILE_NAME",
			    same == -ESTALE ? "this name is another file's now, or hidden by a mount"
					    : "this name cannot be reached inside the container",
			    "close it before the checkpoint", "the file %.200s", link);
		return -ENOTSUP;
	}
	ret->path = (char *)link;
	ret->size = (uint64_t)st->st_size;
	ret->mtime_ns = description_mtime_ns(st);
	ret->dev = st->st_dev;
	ret->ino = st->st_ino;
	ret->mode = st->st_mode;
	ret->uid = st->st_uid;
	ret->gid = st->st_gid;
	ret->unchecked = fd >= 0 && is_made_up(description_fs(fd));
	ret->in_tree = tree_file_holds(s, link);
	return 0;
}

static bool regular_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISREG(f->st.st_mode) && f->link[0] == '/' && !description_special_fs(f->local) &&
	       !deleted_is(s, f->link, &f->st);
}

/* Does one lock of fdinfo (proc(5)) name this inode? */
static bool line_locks(const char *line, const struct stat *st)
{
	unsigned major, minor;
	unsigned long ino;

	return sscanf(line, "%*u: %*s %*s %*s %*d %x:%x:%lu", &major, &minor, &ino) == 3 && ino == st->st_ino && major == major(st->st_dev) &&
	       minor == minor(st->st_dev);
}

/* A lock taken through another descriptor table shows in that process's fdinfo only. /proc/locks has all, but to read it
 * the kernel waits for every cpu (fs/locks.c locks_start()), several milliseconds. */
static bool is_locked(const struct save *s, const struct saved_file *f)
{
	if (description_info(f->info, "lock"))
		return true;
	vec_each(line, &s->locks)
		if (line_locks(*line, &f->st))
			return true;
	return false;
}

bool regular_refuse_locks(struct save *s, const struct saved_file *f)
{
	if (!is_locked(s, f))
		return false;
	save_refuse(s, f, "E_FILE_LOCK", "locks and leases on files are not carried yet",
		    "let the program release it before the checkpoint", "a lock on %.200s", f->link);
	return true;
}

static int regular_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			struct pidspace_error *err)
{
	RegularFile m;

	if (regular_describe(s, f, f->link, &f->st, f->local, &m) < 0 || regular_refuse_locks(s, f))
		return 0;
	return message_pack(&m.base, ret_body, err);
}

static void complain(struct restore *r, const RegularFile *file, const char *why)
{
	restore_refuse(r, "E_FILE_CHANGED", why,
		       "restore with --files truncate (cut a file that grew) or --files ignore",
		       "the file %.200s", file->path);
}

void regular_check(struct restore *r, const RegularFile *file, uint32_t flags)
{
	_cleanup_close_ int fd = -1;
	char why[200];
	struct stat st;

	if (file->in_tree)
		return;
	fd = restore_open(r, file->path, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		restore_refuse(r, "E_FILE_MISSING",
			       fd < 0 ? strerror(-fd) : "it is no regular file any more",
			       "put it back as it was at the checkpoint", "the file %.200s", file->path);
		return;
	}
	if (file->unchecked || r->policy == FILES_IGNORE)
		return;
	uint64_t size = (uint64_t)st.st_size;
	if (size < file->size) {
		snprintf(why, sizeof why, "it shrank from %llu to %llu bytes since the checkpoint",
			 (unsigned long long)file->size, (unsigned long long)size);
		complain(r, file, why);
	} else if (r->policy == FILES_TRUNCATE) {
		return;
	} else if (size > file->size) {
		snprintf(why, sizeof why, "it grew from %llu to %llu bytes since the checkpoint",
			 (unsigned long long)file->size, (unsigned long long)size);
		complain(r, file, why);
	} else if (description_mtime_ns(&st) != file->mtime_ns) {
		complain(r, file, "it was written to since the checkpoint");
	}
}

static RegularFile *unpack(const OpenFile *f, struct pidspace_error *err)
{
	return message_unpack(&regular_file__descriptor, f->body.data, f->body.len, "a regular file",
			      err);
}

static int regular_precheck(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ RegularFile *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	regular_check(r, m, f->flags);
	return 0;
}

static int regular_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ RegularFile *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = description_open(r, m->path, f->flags);
	if (fd < 0)
		return error_set(err, fd, "E_FILE_OPEN",
				 "cannot open the file %s as it was open: %s; put it back or make it accessible",
				 m->path, strerror(-fd));
	if (lseek(fd, f->pos, SEEK_SET) < 0 && !m->unchecked)
		return error_sys(err, -errno, "cannot set the position in the file %s", m->path);
	return fd_take(&fd);
}

/* Cutting waits until everything could be made. Only what the container itself was writing is cut: the
 * growth of a file it only reads is somebody else's. */
static int regular_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ RegularFile *m = unpack(f, err);
	struct stat st;

	if (!m)
		return -EBADMSG;
	if (r->policy != FILES_TRUNCATE || m->in_tree || m->unchecked ||
	    (f->flags & O_ACCMODE) == O_RDONLY)
		return 0;
	if (fstat(fd, &st) < 0)
		return error_sys(err, -errno, "cannot look at the file %s", m->path);
	if ((uint64_t)st.st_size > m->size && ftruncate(fd, (off_t)m->size) < 0)
		return error_sys(err, -errno, "cannot cut the file %s to the %llu bytes it had", m->path,
				 (unsigned long long)m->size);
	return 0;
}

const struct fd_kind regular_kind = {
	.name = "file",
	.id = KIND_REGULAR,
	.claims = regular_claims,
	.save = regular_save,
	.make = regular_make,
	.connect = regular_connect,
	.precheck = regular_precheck,
	.body = &regular_file__descriptor,
};
