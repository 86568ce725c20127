/* TCP sockets, the saving half: listening ones, unconnected ones, and connections with both ends inside
 * the container. What one end has written and the other not read travels as the reader's queue,
 * wherever the kernel held it. tcp_restore.c makes them again by ordinary calls. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/inet_address.h"
#include "kinds/inet_save.h"
#include "kinds/kinds.h"
#include "kinds/message.h"
#include "kinds/socket_queue.h"
#include "kinds/socket_state.h"
#include "kinds/tcp_flow.h"
#include "kinds/tcp_restore.h"

#define REPAIR_SEND_QUEUE 2 /* TCP_SEND_QUEUE, linux/tcp.h */
#define REPAIR_NO_QUEUE 0

static bool is_tcp(int fd)
{
	int domain = socket_get(fd, SOL_SOCKET, SO_DOMAIN, -1);

	return (domain == AF_INET || domain == AF_INET6) &&
	       socket_get(fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_TCP;
}

static bool tcp_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISSOCK(f->st.st_mode) && is_tcp(f->local);
}

static int tcp_info(int fd, struct tcp_info *ret)
{
	socklen_t n = sizeof *ret;

	memset(ret, 0, sizeof *ret);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &n) < 0 ? -errno : 0;
}

static short polled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};

	poll(&p, 1, 0);
	return p.revents;
}

static const struct saved_file *by_addresses(const struct save *s, struct inet_address local,
					     struct inet_address peer)
{
	vec_each(o, &s->files) {
		struct inet_address a, b;

		if (S_ISSOCK(o->st.st_mode) && is_tcp(o->local) && inet_local(o->local, &a) == 0 &&
		    inet_peer(o->local, &b) == 0 && inet_address_equal(a, peer) &&
		    inet_address_equal(b, local))
			return o;
	}
	return NULL;
}

/* The kernel names the socket at the other end; *ret_found says that there is one at all, inside or not.
 * Its answer for one that is gone is that of a kernel without CONFIG_INET_DIAG: then all are asked. */
static const struct saved_file *other_end(const struct save *s, struct inet_address local,
					  struct inet_address peer, struct inet_found *ret_found)
{
	*ret_found = (struct inet_found){0};
	if (inet_find_connection(peer, local, ret_found) < 0)
		return by_addresses(s, local, peer);
	if (!ret_found->inode)
		return NULL;
	vec_each(o, &s->files) {
		if (o->st.st_ino == ret_found->inode && S_ISSOCK(o->st.st_mode))
			return o;
	}
	return NULL;
}

/* Notes the ports that listeners inside serve, once a save: as objects whose inode is the port. */
static int note_listeners(struct save *s)
{
	bool is_new;

	if (!save_object_id(s, OBJECT_TCP_LISTENER, 0, 0, &is_new))
		return -ENOMEM;
	if (!is_new)
		return 0;
	vec_each(o, &s->files) {
		struct inet_address a;

		if (S_ISSOCK(o->st.st_mode) && is_tcp(o->local) &&
		    socket_get(o->local, SOL_SOCKET, SO_ACCEPTCONN, 0) &&
		    inet_local(o->local, &a) == 0 &&
		    !save_object_id(s, OBJECT_TCP_LISTENER, 0, a.port, &is_new))
			return -ENOMEM;
	}
	return 0;
}

/* Does a listener inside serve this port? Its connections are accepted at that end again. */
static bool is_served(const struct save *s, uint16_t port)
{
	vec_each(o, &s->objects) {
		if (o->kind == OBJECT_TCP_LISTENER && o->ino == port)
			return true;
	}
	return false;
}

/* --- what is on its way --- */

/* The last n bytes of the send queue, by TCP_REPAIR: needs CAP_NET_ADMIN over the network and an
 * ESTABLISHED socket. */
static int read_unsent(int fd, size_t n, ProtobufCBinaryData *ret)
{
	int reuse = socket_get(fd, SOL_SOCKET, SO_REUSEADDR, 0), queued = 0, k;

	if (ioctl(fd, SIOCOUTQ, &queued) < 0)
		return -errno;
	if (queued < 0 || (size_t)queued < n)
		return -EPROTO;
	ret->data = malloc((size_t)queued);
	if (!ret->data)
		return -ENOMEM;
	k = socket_set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	if (k < 0)
		return k;
	k = socket_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, REPAIR_SEND_QUEUE);
	if (k == 0 && recv(fd, ret->data, (size_t)queued, MSG_PEEK | MSG_DONTWAIT) != queued)
		k = -EPROTO;
	socket_set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, REPAIR_NO_QUEUE);
	/* Without the window probe of plain "off": nothing is to change at the other end. It also
	 * forgets SO_REUSEADDR (do_tcp_setsockopt()). */
	if (socket_set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP) < 0)
		socket_set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF);
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR, reuse);
	/* The reader has what comes before and is only late in saying so. */
	memmove(ret->data, ret->data + ((size_t)queued - n), n);
	ret->len = n;
	return k;
}

static int save_queue(struct save *s, const struct saved_file *f, const struct saved_file *other,
		      struct pidspace_error *err)
{
	ProtobufCBinaryData unsent = {0};
	enum socket_queue_flaw flaw;
	int64_t left = other ? tcp_flow_undelivered(other->local, f->local) : 0;
	int k = 0;

	if (left > 0)
		k = read_unsent(other->local, (size_t)left, &unsent);
	if (left < 0 || k < 0) {
		save_refuse(s, other, "E_TCP_UNSENT",
			    "data waits to be sent because the receiver's buffer is full, and only root can read it",
			    "try again once the receiver has read, or run as root",
			    "TCP connection %s (%jd bytes)", other->link, (intmax_t)left);
		free(unsent.data);
		return 0;
	}
	k = socket_queue_save(s, f, true, &unsent, &flaw, err);
	free(unsent.data);
	if (k == 0 && flaw != SOCKET_QUEUE_WHOLE)
		save_refuse(s, f, "E_TCP_URGENT", "urgent data waits in it",
			    "try again once the receiver has taken it", "TCP connection %s", f->link);
	return k;
}

/* --- states --- */

static void save_shutdown(const struct saved_file *f, InetSocket *u)
{
	bool fin_sent = u->state == TCP_FIN_WAIT1 || u->state == TCP_FIN_WAIT2 ||
			u->state == TCP_CLOSING || u->state == TCP_LAST_ACK;
	bool fin_got = u->state == TCP_CLOSE_WAIT || u->state == TCP_CLOSING ||
		       u->state == TCP_LAST_ACK;

	u->shutdown = fin_sent ? 2 : 0;
	/* tcp_poll(): POLLRDHUP says that receiving is shut; without a FIN it was us. */
	if (!fin_got && (polled(f->local) & POLLRDHUP))
		u->shutdown |= 1;
}

static bool same_host(struct inet_address local, struct inet_address peer)
{
	static const uint8_t loopback4[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};

	return !memcmp(local.ip, peer.ip, sizeof peer.ip) ||
	       !memcmp(peer.ip, loopback4, sizeof loopback4);
}

/* The other end is in nobody's hands inside: closed, waiting to be accepted, or outside. */
static bool is_gone(struct save *s, const struct saved_file *f, struct inet_address local,
		    struct inet_address peer, const struct inet_found *found)
{
	char text[64], from[64];

	if (!found->inode && (found->state == TCP_ESTABLISHED || found->state == TCP_CLOSE_WAIT)) {
		save_refuse(s, f, "E_TCP_PENDING", "the other end waits to be accepted",
			    "try again once the program has accepted it", "TCP connection to %s",
			    inet_address_text(peer, text));
		return false;
	}
	if (found->inode || !same_host(local, peer)) {
		save_refuse(s, f, "E_TCP_OUTSIDE", "the other end is outside the container",
			    "close the connection before the checkpoint; clients that reconnect need nothing more",
			    "TCP connection from %s to %s", inet_address_text(local, from),
			    inet_address_text(peer, text));
		return false;
	}
	return true;
}

static int save_connection(struct save *s, struct saved_file *f, InetSocket *u,
			   struct pidspace_error *err)
{
	struct inet_address local, peer;
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	const struct saved_file *other;
	struct inet_found found;
	bool is_new, served[2];
	ino_t key = f->st.st_ino;

	if (getpeername(f->local, &a.any, &n) < 0 || inet_local(f->local, &local) < 0)
		return error_sys(err, -errno, "cannot read the addresses of TCP socket %s", f->link);
	peer = inet_address_of(&a);
	socket_bytes(&u->peer, &a, n);
	if (inet_address_equal(local, peer)) {
		save_refuse(s, f, "E_TCP_SELF", "it is connected to itself",
			    "close it before the checkpoint", "TCP connection %s", f->link);
		return 0;
	}
	other = other_end(s, local, peer, &found);
	if (other) {
		u->peer_file = other->id;
		u->peer_family = (uint32_t)socket_get(other->local, SOL_SOCKET, SO_DOMAIN, AF_INET);
		if (other->st.st_ino < key)
			key = other->st.st_ino;
	} else {
		if (!is_gone(s, f, local, peer, &found))
			return 0;
		u->peer_gone = true;
		u->peer_family = u->family;
	}
	if (note_listeners(s) < 0)
		return error_sys(err, -ENOMEM, "cannot save a socket");
	served[0] = is_served(s, peer.port);
	served[1] = is_served(s, local.port);
	u->end = served[0] != served[1] ? served[1] : other && f->st.st_ino != key;
	u->object = save_object_id(s, KIND_TCP, 0, key, &is_new);
	if (!u->object)
		return error_sys(err, -ENOMEM, "cannot save a socket");
	save_shutdown(f, u);
	return save_queue(s, f, other, err);
}

static void save_listener(struct save *s, struct saved_file *f, const struct tcp_info *i,
			  InetSocket *u)
{
	/* tcp_get_info(): of a listening socket these are the length and limit of its queue. */
	u->backlog = i->tcpi_sacked;
	if (i->tcpi_unacked)
		save_refuse(s, f, "E_TCP_PENDING", "connections wait to be accepted",
			    "try again once the program has accepted them",
			    "listening TCP socket %s (%u waiting)", f->link, i->tcpi_unacked);
}

static int save_state(struct save *s, struct saved_file *f, InetSocket *u, struct pidspace_error *err)
{
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	char ulp[16] = "";
	struct tcp_info i;
	short events;
	int k = tcp_info(f->local, &i);

	if (k < 0 || getsockname(f->local, &a.any, &n) < 0)
		return error_sys(err, k < 0 ? k : -errno, "cannot read TCP socket %s", f->link);
	u->state = i.tcpi_state;
	socket_bytes(&u->local, &a, n);
	n = sizeof ulp - 1;
	if (getsockopt(f->local, IPPROTO_TCP, TCP_ULP, ulp, &n) == 0 && n && ulp[0])
		save_refuse(s, f, "E_TCP_ULP", "the kernel encrypts it, with keys it does not tell",
			    "run the program without kernel TLS", "TCP connection %s (%s)", f->link, ulp);
	switch (i.tcpi_state) {
	case TCP_LISTEN:
		save_listener(s, f, &i, u);
		return 0;
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		save_refuse(s, f, "E_TCP_CONNECTING", "it is just being connected",
			    "try again once it is connected", "TCP socket %s", f->link);
		return 0;
	case TCP_CLOSE:
	case TCP_TIME_WAIT:
		/* Never connected, or over: then reading answers what is left and the end. */
		events = polled(f->local);
		u->shutdown = events & POLLRDHUP ? 3 : 0;
		u->failed = events & POLLERR;
		return u->shutdown ? save_queue(s, f, NULL, err) : 0;
	default:
		return save_connection(s, f, u, err);
	}
}

static int tcp_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		    struct pidspace_error *err)
{
	return inet_save(s, f, SOCK_STREAM, save_state, ret_body, err);
}

/* A connection that ends in order leaves its addresses in TIME_WAIT for a minute, and restore needs
 * them. Ended by a reset it leaves nothing; nobody outside sees that, both ends are ours. */
static void tcp_before_kill(struct save *s, const struct saved_file *f)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct tcp_info i;

	if (tcp_info(f->local, &i) == 0 && i.tcpi_state != TCP_LISTEN)
		setsockopt(f->local, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

const struct fd_kind tcp_kind = {
	.name = "TCP socket",
	.id = KIND_TCP,
	.claims = tcp_claims,
	.save = tcp_save,
	.make = tcp_restore_make,
	.connect = tcp_restore_connect,
	.before_kill = tcp_before_kill,
	.body = &inet_socket__descriptor,
};
