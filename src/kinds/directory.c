/* Open directories. The position of readdir(3) is the file system's own cookie; it holds on the same
 * file system. */
#include "kinds/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "kinds/regular.h"
#include "kinds/tree_file.h"
#include "path_file.pb-c.h"

static bool directory_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISDIR(f->st.st_mode) && !(f->flags & O_PATH) &&
	       description_fs(f->local) != PROC_SUPER_MAGIC;
}

static int directory_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			  struct pidspace_error *err)
{
	PathFile m = PATH_FILE__INIT;
	_cleanup_close_ int same = save_open_same(s, f->link, &f->st);

	if (same < 0) {
		save_refuse(s, f, "E_FILE_NAME",
			    f->st.st_nlink ? "this name is not this directory's inside the container"
					   : "it was removed",
			    "close it before the checkpoint", "the directory %.200s", f->link);
		return 0;
	}
	if (regular_refuse_locks(s, f))
		return 0;
	m.path = f->link;
	m.mode = f->st.st_mode;
	m.in_tree = tree_file_holds(s, f->link);
	return message_pack(&m.base, ret_body, err);
}

static PathFile *unpack(const OpenFile *f, struct pidspace_error *err)
{
	return message_unpack(&path_file__descriptor, f->body.data, f->body.len, "a directory", err);
}

static int directory_precheck(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ PathFile *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	if (m->in_tree)
		return 0;
	_cleanup_close_ int fd = restore_open(r, m->path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		restore_refuse(r, "E_FILE_MISSING", strerror(-fd),
			       "put it back as it was at the checkpoint", "the directory %.200s", m->path);
	return 0;
}

static int directory_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ PathFile *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = description_open(r, m->path, f->flags | O_DIRECTORY);
	if (fd < 0)
		return error_set(err, fd, "E_FILE_OPEN", "cannot open the directory %s: %s; put it back",
				 m->path, strerror(-fd));
	/* A cookie that means nothing here any more: begin anew, rather than fail. */
	if (f->pos && lseek(fd, f->pos, SEEK_SET) < 0)
		lseek(fd, 0, SEEK_SET);
	return fd_take(&fd);
}

const struct fd_kind directory_kind = {
	.name = "directory",
	.id = KIND_DIRECTORY,
	.claims = directory_claims,
	.save = directory_save,
	.make = directory_make,
	.precheck = directory_precheck,
	.body = &path_file__descriptor,
};
