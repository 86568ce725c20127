/* O_PATH descriptors: a place in the file tree, whatever lies there. */
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
#include "kinds/tree_file.h"
#include "path_file.pb-c.h"

static bool opath_claims(const struct save *s, const struct saved_file *f)
{
	return (f->flags & O_PATH) && description_fs(f->local) != PROC_SUPER_MAGIC;
}

static int opath_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		      struct pidspace_error *err)
{
	PathFile m = PATH_FILE__INIT;
	_cleanup_close_ int same = save_open_same(s, f->link, &f->st);

	if (same < 0) {
		save_refuse(s, f, "E_FILE_NAME", "this name is not this file's inside the container",
			    "close it before the checkpoint", "an O_PATH descriptor of %.200s", f->link);
		return 0;
	}
	m.path = f->link;
	m.mode = f->st.st_mode;
	m.in_tree = tree_file_holds(s, f->link);
	return message_pack(&m.base, ret_body, err);
}

static int opath_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ PathFile *m = message_unpack(&path_file__descriptor, f->body.data, f->body.len,
						       "an O_PATH descriptor", err);
	struct stat st;

	if (!m)
		return -EBADMSG;
	/* The link is resolved already: following one now would lead elsewhere. */
	_cleanup_close_ int fd = description_open(r, m->path, f->flags | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, fd < 0 ? fd : -errno, "E_FILE_OPEN",
				 "cannot reach %s: %s; put it back", m->path, strerror(fd < 0 ? -fd : errno));
	if ((st.st_mode & S_IFMT) != (m->mode & S_IFMT))
		return error_set(err, -ESTALE, "E_FILE_OPEN",
				 "%s is another type of file than it was; put it back", m->path);
	return fd_take(&fd);
}

const struct fd_kind opath_kind = {
	.name = "path",
	.id = KIND_OPATH,
	.claims = opath_claims,
	.save = opath_save,
	.make = opath_make,
	.body = &path_file__descriptor,
};
