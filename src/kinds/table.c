#include "kinds/kinds.h"

#include <stddef.h>

/* The first that claims wins: what is recognised by what it is (O_PATH, a memfd) stands before what is
 * recognised by its inode's type alone. A new kind is one row here, its id in fd_kind.h, its object in
 * kinds.h. */
const struct fd_kind *const fd_kinds[] = {
	&external_kind,
	&opath_kind,
	&procfs_kind,
	&procpid_kind,
	&memfd_kind,
	&deleted_kind,
	&regular_kind,
	&directory_kind,
	&device_kind,
	&pipe_kind,
	&fifo_kind,
	&eventfd_kind,
	&timerfd_kind,
	&signalfd_kind,
	&epoll_kind,
	&unix_kind,
	&tcp_kind,
	&udp_kind,
	&terminal_kind,
	&tty_kind,
	&refused_kind,
	NULL,
};

const struct fd_kind *fd_kind_by_id(uint32_t id)
{
	for (const struct fd_kind *const *k = fd_kinds; *k; k++) {
		if ((*k)->id == id && *k != &refused_kind)
			return *k;
	}
	return NULL;
}

const struct fd_kind *fd_kind_of(const struct save *s, const struct saved_file *f)
{
	const struct fd_kind *const *k = fd_kinds;

	while (*k != &refused_kind && !(*k)->claims(s, f))
		k++;
	return *k;
}
