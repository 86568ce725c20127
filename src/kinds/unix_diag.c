#include "kinds/unix_diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/fd.h"

#define ANY_COOKIE (~0U) /* INET_DIAG_NOCOOKIE, linux/inet_diag.h; sock_diag_check_cookie() */

dev_t unix_diag_dev(uint32_t kernel_dev)
{
	return makedev(kernel_dev >> 20, kernel_dev & 0xfffff);
}

static void read_attributes(const struct unix_diag_msg *m, size_t len, struct unix_diag *d)
{
	const struct rtattr *a = (const struct rtattr *)(m + 1);
	size_t left = len - NLMSG_ALIGN(sizeof *m);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const void *p = RTA_DATA(a);

		switch (a->rta_type) {
		case UNIX_DIAG_PEER:
			d->has_peer = true;
			d->peer = *(const uint32_t *)p;
			break;
		case UNIX_DIAG_VFS:
			d->has_path = true;
			d->path_ino = ((const struct unix_diag_vfs *)p)->udiag_vfs_ino;
			d->path_dev = ((const struct unix_diag_vfs *)p)->udiag_vfs_dev;
			break;
		case UNIX_DIAG_RQLEN:
			d->queue = ((const struct unix_diag_rqlen *)p)->udiag_rqueue;
			d->backlog = ((const struct unix_diag_rqlen *)p)->udiag_wqueue;
			break;
		case UNIX_DIAG_SHUTDOWN:
			d->shutdown = *(const uint8_t *)p;
			break;
		}
	}
}

int unix_diag_query(ino_t ino, struct unix_diag *ret, struct pidspace_error *err)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req body;
	} req = {
		.head = {.nlmsg_len = sizeof req, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_ino = (uint32_t)ino,
			 .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN,
			 .udiag_cookie = {ANY_COOKIE, ANY_COOKIE}},
	};
	union {
		struct nlmsghdr head;
		char bytes[8192];
	} reply;
	_cleanup_close_ int nl = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n;

	if (nl < 0 || send(nl, &req, sizeof req, 0) < 0)
		return error_sys(err, -errno, "cannot ask the kernel about unix socket %ju",
				 (uintmax_t)ino);
	do
		n = recv(nl, &reply, sizeof reply, 0);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof reply.head)
		return error_sys(err, n < 0 ? -errno : -EPROTO,
				 "the kernel does not tell about unix socket %ju", (uintmax_t)ino);
	if (reply.head.nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = NLMSG_DATA(&reply.head);

		return error_sys(err, e->error ? e->error : -EPROTO,
				 "the kernel does not tell about unix socket %ju", (uintmax_t)ino);
	}
	const struct unix_diag_msg *m = NLMSG_DATA(&reply.head);
	*ret = (struct unix_diag){
		.ino = m->udiag_ino, .type = m->udiag_type, .state = m->udiag_state};
	read_attributes(m, reply.head.nlmsg_len - NLMSG_HDRLEN, ret);
	return 0;
}
