/* UDP sockets: address, peer and options. Datagrams that wait are not carried: whoever sent them
 * cannot be named again as their sender. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/inet_address.h"
#include "kinds/inet_save.h"
#include "kinds/kinds.h"
#include "kinds/message.h"
#include "kinds/socket_state.h"
#include "socket.pb-c.h"

static bool udp_claims(const struct save *s, const struct saved_file *f)
{
	int domain = socket_get(f->local, SOL_SOCKET, SO_DOMAIN, -1);

	return S_ISSOCK(f->st.st_mode) && (domain == AF_INET || domain == AF_INET6) &&
	       socket_get(f->local, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_UDP;
}

static int save_state(struct save *s, struct saved_file *f, InetSocket *u, struct pidspace_error *err)
{
	struct pollfd p = {.fd = f->local, .events = POLLIN | POLLRDHUP};
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	char text[64];

	if (getsockname(f->local, &a.any, &n) < 0)
		return error_sys(err, -errno, "cannot read UDP socket %s", f->link);
	socket_bytes(&u->local, &a, n);
	poll(&p, 1, 0);
	/* datagram_poll(): a socket shut for reading is readable too. */
	u->shutdown = p.revents & POLLRDHUP ? 1 : 0;
	if ((p.revents & POLLIN) && !u->shutdown)
		save_refuse(s, f, "E_UDP_QUEUE", "datagrams wait in it",
			    "try again once the program has read them", "UDP socket %s",
			    inet_address_text(inet_address_of(&a), text));
	n = sizeof a;
	if (getpeername(f->local, &a.any, &n) == 0)
		socket_bytes(&u->peer, &a, n);
	return 0;
}

static int udp_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		    struct pidspace_error *err)
{
	return inet_save(s, f, SOCK_DGRAM, save_state, ret_body, err);
}

static int sockaddr_in_image(const ProtobufCBinaryData *b, union inet_sockaddr *ret,
			     struct pidspace_error *err)
{
	*ret = (union inet_sockaddr){0};
	if (b->len < sizeof ret->v4 || b->len > sizeof *ret)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "the address of a UDP socket cannot be read");
	memcpy(ret, b->data, b->len);
	return 0;
}

static int udp_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ InetSocket *u = message_unpack(&inet_socket__descriptor, f->body.data,
							 f->body.len, "a UDP socket", err);
	_cleanup_close_ int fd = -1;
	union inet_sockaddr a;
	char text[64];
	int k;

	if (!u)
		return -EBADMSG;
	fd = socket((int)u->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_sys(err, -errno, "cannot make a UDP socket");
	k = socket_options_apply(fd, u->option, u->n_option, err);
	if (k == 0)
		k = sockaddr_in_image(&u->local, &a, err);
	if (k < 0)
		return k;
	struct inet_address local = inet_address_of(&a);
	if (local.port && bind(fd, &a.any, (socklen_t)u->local.len) < 0)
		return errno == EADDRINUSE
			       ? inet_in_use(err, -errno, "udp", local)
			       : error_sys(err, -errno, "cannot bind UDP address %s",
					   inet_address_text(local, text));
	if (u->peer.len) {
		k = sockaddr_in_image(&u->peer, &a, err);
		if (k < 0)
			return k;
		if (connect(fd, &a.any, (socklen_t)u->peer.len) < 0)
			return error_sys(err, -errno, "cannot connect UDP to %s",
					 inet_address_text(inet_address_of(&a), text));
	}
	if (u->shutdown)
		shutdown(fd, SHUT_RD);
	k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set flags of a UDP socket") : fd_take(&fd);
}

const struct fd_kind udp_kind = {
	.name = "UDP socket",
	.id = KIND_UDP,
	.claims = udp_claims,
	.save = udp_save,
	.make = udp_make,
	.body = &inet_socket__descriptor,
};
