/* signalfd(2). What it reads are the pending signals of whoever reads: those are the tasks'. */
#include "kinds/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "signalfd.pb-c.h"

static bool signalfd_claims(const struct save *s, const struct saved_file *f)
{
	return !strcmp(f->link, "anon_inode:[signalfd]");
}

static int signalfd_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			 struct pidspace_error *err)
{
	_cleanup_free_ char *info = NULL;
	SignalFd m = SIGNAL_FD__INIT;
	int k = description_own_info(f->local, &info);
	const char *v;

	if (k < 0 || !(v = description_info(info, "sigmask")))
		return error_sys(err, k < 0 ? k : -ENODATA, "cannot read the mask of a signalfd");
	m.mask = strtoull(v, NULL, 16);
	return message_pack(&m.base, ret_body, err);
}

static int signalfd_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ SignalFd *m =
		message_unpack(&signal_fd__descriptor, f->body.data, f->body.len, "a signalfd", err);

	if (!m)
		return -EBADMSG;
	uint64_t mask = m->mask;
	/* By hand: libc's sigset_t is larger than the kernel's, and its function takes out signals 32
	 * and 33. */
	_cleanup_close_ int fd =
		(int)syscall(SYS_signalfd4, -1, &mask, sizeof mask, SFD_CLOEXEC);
	if (fd < 0)
		return error_sys(err, -errno, "cannot make a signalfd");
	int k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set the flags of a signalfd") : fd_take(&fd);
}

const struct fd_kind signalfd_kind = {
	.name = "signalfd",
	.id = KIND_SIGNALFD,
	.claims = signalfd_claims,
	.save = signalfd_save,
	.make = signalfd_make,
	.body = &signal_fd__descriptor,
};
