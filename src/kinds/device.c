/* The devices without state of their own: null, zero, full, random, urandom. */
#include "kinds/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "path_file.pb-c.h"

/* Documentation/admin-guide/devices.txt: 1 char, memory devices. */
static const struct {
	unsigned minor;
	const char *path;
} devices[] = {
	{3, "/dev/null"}, {5, "/dev/zero"}, {7, "/dev/full"}, {8, "/dev/random"}, {9, "/dev/urandom"},
};

static const char *device_path(dev_t rdev)
{
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		if (rdev == makedev(1, devices[i].minor))
			return devices[i].path;
	}
	return NULL;
}

static bool device_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) && device_path(f->st.st_rdev);
}

static int device_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		       struct pidspace_error *err)
{
	PathFile m = PATH_FILE__INIT;

	m.path = f->link;
	m.mode = f->st.st_mode;
	m.rdev = f->st.st_rdev;
	return message_pack(&m.base, ret_body, err);
}

/* Under its own name, or else where such a device usually is. */
static int open_device(struct restore *r, const PathFile *m, uint32_t flags)
{
	const char *paths[] = {m->path, device_path(m->rdev)};
	int first = -ENXIO;

	for (size_t i = 0; i < 2 && paths[i]; i++) {
		/* Looked at before it is opened: opening a device may do something. */
		_cleanup_close_ int look = restore_open(r, paths[i], O_PATH, 0);
		struct stat st;
		if (look < 0 || fstat(look, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != m->rdev)
			continue;
		int fd = description_open(r, paths[i], flags);
		if (fd >= 0)
			return fd;
		first = fd;
	}
	return first;
}

static int device_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ PathFile *m =
		message_unpack(&path_file__descriptor, f->body.data, f->body.len, "a device", err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = open_device(r, m, f->flags);
	if (fd < 0)
		return error_set(err, fd, "E_FILE_OPEN",
				 "cannot open the device %s: %s; make it again (mknod)", m->path,
				 strerror(-fd));
	lseek(fd, f->pos, SEEK_SET); /* means nothing to most of them */
	return fd_take(&fd);
}

const struct fd_kind device_kind = {
	.name = "device",
	.id = KIND_DEVICE,
	.claims = device_claims,
	.save = device_save,
	.make = device_make,
	.body = &path_file__descriptor,
};
