/* eventfd(2). */
#include "kinds/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "eventfd.pb-c.h"
#include "kinds/description.h"
#include "kinds/message.h"

static bool eventfd_claims(const struct save *s, const struct saved_file *f)
{
	return !strcmp(f->link, "anon_inode:[eventfd]");
}

/* Before Linux 6.5 fdinfo does not tell EFD_SEMAPHORE, but a read does: it takes 1 or all. What it takes
 * is put back, so that only the wake-up of a poller outside could show it. */
static bool is_semaphore_by_reading(int fd, uint64_t count)
{
	uint64_t more = count < 2 ? 2 - count : 0, got;

	if (more && write(fd, &more, sizeof more) < 0)
		return false;
	if (read(fd, &got, sizeof got) < 0)
		return false;
	/* Now a semaphore holds count + more - 1, anything else 0. */
	bool semaphore = got == 1;
	if (semaphore) {
		uint64_t back = 1;
		if (write(fd, &back, sizeof back) < 0)
			return semaphore;
		for (; more; more--)
			(void)!read(fd, &got, sizeof got);
	} else if (count && write(fd, &count, sizeof count) < 0) {
		return semaphore;
	}
	return semaphore;
}

static int eventfd_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			struct pidspace_error *err)
{
	_cleanup_free_ char *info = NULL;
	EventFd m = EVENT_FD__INIT;
	int k = description_own_info(f->local, &info);
	const char *v;

	if (k < 0 || !(v = description_info(info, "eventfd-count")))
		return error_sys(err, k < 0 ? k : -ENODATA, "cannot read the count of an eventfd");
	m.count = strtoull(v, NULL, 16);
	v = description_info(info, "eventfd-semaphore");
	m.semaphore = v ? atoi(v) != 0 : is_semaphore_by_reading(f->local, m.count);
	return message_pack(&m.base, ret_body, err);
}

static int eventfd_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ EventFd *m =
		message_unpack(&event_fd__descriptor, f->body.data, f->body.len, "an eventfd", err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (m->semaphore ? EFD_SEMAPHORE : 0));
	if (fd < 0)
		return error_sys(err, -errno, "cannot make an eventfd");
	if (m->count && write(fd, &m->count, sizeof m->count) < 0)
		return error_sys(err, -errno, "cannot set the count of an eventfd");
	int k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set the flags of an eventfd") : fd_take(&fd);
}

const struct fd_kind eventfd_kind = {
	.name = "eventfd",
	.id = KIND_EVENTFD,
	.claims = eventfd_claims,
	.save = eventfd_save,
	.make = eventfd_make,
	.body = &event_fd__descriptor,
};
