/* Descriptors of memfd_create(2) and of shared memory reached through map_files: descriptions of a
 * shared memory object. */
#include "kinds/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "kinds/shared_memory.h"

static bool memfd_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISREG(f->st.st_mode) && !f->st.st_nlink && !(f->flags & O_PATH) &&
	       shm_object_is(f->link);
}

static int memfd_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		      struct pidspace_error *err)
{
	MemFd m = MEM_FD__INIT;
	int k = shm_object_save(s, f, f->st.st_dev, f->st.st_ino, f->link, f->local, 0, &m.memory, NULL,
				err);

	if (k == -ENOTSUP)
		return 0;
	return k < 0 ? k : message_pack(&m.base, ret_body, err);
}

static int memfd_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ MemFd *m =
		message_unpack(&mem_fd__descriptor, f->body.data, f->body.len, "a memfd", err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = shm_object_open(r, m->memory, f->flags, err);
	if (fd < 0)
		return fd;
	if (lseek(fd, f->pos, SEEK_SET) < 0)
		return error_sys(err, -errno, "cannot set the position of a memfd");
	return fd_take(&fd);
}

const struct fd_kind memfd_kind = {
	.name = "memfd",
	.id = KIND_MEMFD,
	.claims = memfd_claims,
	.save = memfd_save,
	.make = memfd_make,
	.body = &mem_fd__descriptor,
};
