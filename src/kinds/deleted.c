#include "kinds/deleted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "deleted.pb-c.h"
#include "image/frame.h"
#include "kinds/content.h"
#include "kinds/description.h"
#include "kinds/kinds.h"
#include "kinds/message.h"
#include "kinds/regular.h"
#include "kinds/shared_memory.h"

#define SUFFIX " (deleted)"

static bool has_suffix(const char *link)
{
	size_t n = strlen(link);

	return n > strlen(SUFFIX) && !strcmp(link + n - strlen(SUFFIX), SUFFIX);
}

bool deleted_is(const struct save *s, const char *link, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || link[0] != '/' || shm_object_is(link))
		return false;
	if (!st->st_nlink)
		return true;
	if (!has_suffix(link))
		return false;
	/* A file may well be called "x (deleted)". */
	_cleanup_close_ int fd = save_open_same(s, link, st);
	return fd < 0;
}

static bool deleted_claims(const struct save *s, const struct saved_file *f)
{
	return !description_special_fs(f->local) && deleted_is(s, f->link, &f->st);
}

static bool readable(int fd)
{
	_cleanup_close_ int again = description_reopen(fd, O_RDONLY);

	return again >= 0;
}

int deleted_save(struct save *s, const struct saved_file *f, int fd, const char *link,
		 uint32_t *ret_id, struct pidspace_error *err)
{
	DeletedFile m = DELETED_FILE__INIT;
	_cleanup_free_ char *path = strdup(link);
	struct stat st;
	bool fresh;

	if (!path)
		return error_sys(err, -ENOMEM, "cannot save %s", link);
	if (fstat(fd, &st) < 0)
		return error_sys(err, -errno, "cannot look at %s", link);
	*ret_id = save_object_id(s, OBJECT_DELETED_FILE, st.st_dev, st.st_ino, &fresh);
	if (!*ret_id)
		return error_sys(err, -ENOMEM, "cannot save %s", link);
	if (has_suffix(path))
		path[strlen(path) - strlen(SUFFIX)] = 0;
	/* Its other names would stay with the old file, and what is written would part ways. */
	if (st.st_nlink) {
		save_refuse(s, f, "E_FILE_NAME",
			    "its name was removed, but it has another one that is not known",
			    "close it, or link it to its old name again (ln)", "the file %.200s", path);
		return -ENOTSUP;
	}
	if (!readable(fd)) {
		save_refuse(s, f, "E_FILE_UNREADABLE",
			    "it has no name any more and may not be read, so it cannot be put into the image",
			    "close it before the checkpoint, or run pidspace as root",
			    "the unlinked file %.200s", path);
		return -ENOTSUP;
	}
	if (!fresh)
		return 0;
	m.id = *ret_id;
	m.path = path;
	m.size = (uint64_t)st.st_size;
	m.mode = st.st_mode;
	m.uid = st.st_uid;
	m.gid = st.st_gid;
	m.mtime_ns = description_mtime_ns(&st);
	if (s->out) {
		int k = content_add(s, m.id, fd, m.size, err);
		if (k < 0)
			return k;
	}
	return message_save(s, FRAME_DELETED_FILE, &m.base, err);
}

static int deleted_kind_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			     struct pidspace_error *err)
{
	DeletedOpen m = DELETED_OPEN__INIT;

	if (regular_refuse_locks(s, f))
		return 0;
	int k = deleted_save(s, f, f->local, f->link, &m.file, err);
	if (k == -ENOTSUP)
		return 0;
	return k < 0 ? k : message_pack(&m.base, ret_body, err);
}

/* Under its own name if that is free, for a moment, so that /proc shows that name again. */
static int create_named(const struct restore *r, const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!slash || !slash[1])
		return -EINVAL;
	*slash = 0;
	_cleanup_close_ int at = restore_open(r, dir[0] ? dir : "/", O_PATH | O_DIRECTORY, 0);
	if (at < 0)
		return at;
	_cleanup_close_ int fd = openat(at, slash + 1, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (unlinkat(at, slash + 1, 0) < 0)
		return -errno;
	return fd_take(&fd);
}

/* Where a file without a name may live: its own directory, the container's private tmpfs, elsewhere. */
static int create_unlinked(const struct restore *r, const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	const char *places[] = {dir, "/dev/shm", "/tmp", "/var/tmp", "/"};
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int first = 0, fd = create_named(r, path);

	if (fd >= 0 || !slash)
		return fd;
	slash[slash == dir] = 0;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		fd = restore_open(r, places[i], O_TMPFILE | O_RDWR, 0600);
		if (fd >= 0)
			return fd;
		if (!first)
			first = fd;
	}
	return first;
}

static int make_file(struct restore *r, uint32_t id, struct pidspace_error *err)
{
	struct made_object *o = restore_object(r, OBJECT_DELETED_FILE, id);
	_cleanup_message_ DeletedFile *m = NULL;
	_cleanup_close_ int fd = -1;

	if (!o)
		return error_sys(err, -ENOMEM, "cannot restore unlinked file %u", id);
	if (o->fd[0] >= 0)
		return o->fd[0];
	m = message_of_frame(r, FRAME_DELETED_FILE, id, &deleted_file__descriptor, "an unlinked file", err);
	if (!m)
		return -EBADMSG;
	fd = create_unlinked(r, m->path);
	if (fd < 0)
		return error_set(err, fd, "E_FILE_OPEN",
				 "cannot make the unlinked file %s again: %s; make its directory, /dev/shm or /tmp writable",
				 m->path, strerror(-fd));
	if (ftruncate(fd, (off_t)m->size) < 0)
		return error_sys(err, -errno, "cannot make the unlinked file %s %llu bytes large",
				 m->path, (unsigned long long)m->size);
	struct placed_content c = {
		.id = id, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), .set_mode = true, .mode = m->mode,
		.uid = m->uid, .gid = m->gid, .mtime_ns = m->mtime_ns,
	};
	if (c.fd < 0)
		return error_sys(err, -errno, "cannot restore the unlinked file %s", m->path);
	int k = content_expect(r, &c, err);
	if (k < 0)
		return k;
	return o->fd[0] = fd_take(&fd);
}

int deleted_open(struct restore *r, uint32_t id, uint32_t flags, struct pidspace_error *err)
{
	int fd = make_file(r, id, err);

	if (fd < 0)
		return fd;
	int again = description_reopen(fd, flags & ~(uint32_t)(O_TMPFILE | O_DIRECT));
	/* The directory it found may be on a file system without O_DIRECT (tmpfs): better without. */
	if (again >= 0 && (flags & O_DIRECT))
		description_set_flags(again, flags);
	return again < 0 ? error_sys(err, again, "cannot open unlinked file %u again", id) : again;
}

static int deleted_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ DeletedOpen *m = message_unpack(&deleted_open__descriptor, f->body.data,
							  f->body.len, "an unlinked file", err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = deleted_open(r, m->file, f->flags, err);
	if (fd < 0)
		return fd;
	if (lseek(fd, f->pos, SEEK_SET) < 0)
		return error_sys(err, -errno, "cannot set the position in an unlinked file");
	return fd_take(&fd);
}

const struct fd_kind deleted_kind = {
	.name = "unlinked file",
	.id = KIND_DELETED,
	.claims = deleted_claims,
	.save = deleted_kind_save,
	.make = deleted_make,
	.body = &deleted_open__descriptor,
};
