/* Connections come back by listening, connecting and accepting at the very addresses they had, which needs
 * no right. Three things make that possible while listeners of the same port come back too:
 *
 * - everything is bound with SO_REUSEADDR: sockets of one address then only exclude each other while
 *   one of them listens (inet_bind_conflict());
 * - so restored listeners are only bound at first, and listen once all connections stand;
 * - what SO_REUSEADDR was is put back last. */
#include "kinds/tcp_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/description.h"
#include "kinds/inet_address.h"
#include "kinds/message.h"
#include "kinds/socket_queue.h"
#include "kinds/socket_state.h"

#define IP_LOCAL_PORT_RANGE_6_3 51 /* linux/in.h, Linux 6.3: low | high << 16 */
#define RETRIES 20
#define RETRY_NS 50000000
#define ACCEPT_MS 5000

/* What the two ends of a connection wait for: everything written before anything is shut. */
struct pair {
	int made, filled;
	uint32_t shutdown[2];
	bool alone; /* the other end was closed */
};

struct listener {
	int backlog;
	bool listens;
};

static int address_in(const ProtobufCBinaryData *b, struct inet_address *ret, uint32_t *ret_scope)
{
	union inet_sockaddr a = {0};

	if (b->len < sizeof a.v4 || b->len > sizeof a)
		return -EBADMSG;
	memcpy(&a, b->data, b->len);
	if (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6)
		return -EBADMSG;
	*ret = inet_address_of(&a);
	*ret_scope = a.any.sa_family == AF_INET6 ? a.v6.sin6_scope_id : 0;
	return 0;
}

static int new_socket(const InetSocket *u, int family, struct pidspace_error *err)
{
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int k;

	if (fd < 0)
		return error_sys(err, -errno, "cannot make a TCP socket");
	if (family == (int)u->family) {
		k = socket_options_apply(fd, u->option, u->n_option, err);
		if (k < 0)
			return k;
	}
	k = socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return k < 0 ? error_sys(err, k, "cannot prepare a TCP socket") : fd_take(&fd);
}

/* EADDRINUSE and EADDRNOTAVAIL may pass: the last of the saved tree may be going away just now. */
static bool worth_a_retry(int k, int tries)
{
	if ((k != -EADDRINUSE && k != -EADDRNOTAVAIL) || tries >= RETRIES)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
	return true;
}

static int bind_to(int fd, int family, struct inet_address a, uint32_t scope)
{
	union inet_sockaddr sa;
	socklen_t n = inet_address_to(a, family, scope, &sa);

	for (int tries = 0;; tries++) {
		int k = bind(fd, &sa.any, n) < 0 ? -errno : 0;
		if (!worth_a_retry(k, tries))
			return k;
	}
}

/* A port that others use too for connections to elsewhere cannot be bound, but connect(2) may still
 * choose it: its choice is narrowed to this one. */
static int bind_client(int fd, int family, struct inet_address a, uint32_t scope)
{
	union inet_sockaddr sa;
	struct inet_address no_port = a;
	uint32_t range = (uint32_t)a.port << 16 | a.port;
	socklen_t n = inet_address_to(a, family, scope, &sa);

	if (bind(fd, &sa.any, n) == 0)
		return 0;
	if (errno != EADDRINUSE ||
	    setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_6_3, &range, sizeof range) < 0)
		return bind_to(fd, family, a, scope);
	socket_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	no_port.port = 0;
	return bind_to(fd, family, no_port, scope);
}

static int bind_failed(struct pidspace_error *err, int k, struct inet_address a)
{
	char text[64];

	if (k == -EADDRINUSE)
		return inet_in_use(err, k, "tcp", a);
	if (k == -EACCES)
		return error_set(err, k, "E_PRIVILEGED_PORT",
				 "TCP address %s has a port below net.ipv4.ip_unprivileged_port_start: restore as root",
				 inet_address_text(a, text));
	if (k == -EADDRNOTAVAIL)
		return error_set(err, k, "E_ADDRESS_MISSING",
				 "this host has no address %s, which the container used: give it that address, then restore again",
				 inet_address_text(a, text));
	return error_sys(err, k, "cannot bind TCP address %s", inet_address_text(a, text));
}

/* --- connections --- */

static int connect_to(int fd, int family, struct inet_address a, uint32_t scope)
{
	union inet_sockaddr sa;
	struct timeval limit = {.tv_sec = ACCEPT_MS / 1000}, none = {0};
	socklen_t n = inet_address_to(a, family, scope, &sa);
	int k;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	for (int tries = 0;; tries++) {
		k = connect(fd, &sa.any, n) < 0 ? -errno : 0;
		if (!worth_a_retry(k, tries))
			break;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
	return k;
}

/* Others may connect meanwhile: they are closed, as if nobody had listened yet. */
static int accept_from(int l, struct inet_address client)
{
	for (;;) {
		struct pollfd p = {.fd = l, .events = POLLIN};
		_cleanup_close_ int fd = -1;
		struct inet_address a;

		if (poll(&p, 1, ACCEPT_MS) <= 0)
			return -ETIMEDOUT;
		fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (inet_peer(fd, &a) == 0 && inet_address_equal(a, client))
			return fd_take(&fd);
	}
}

/* Room for what waits to be read, before the window's scale is agreed upon. Unlocked again: the kernel
 * may tune it further. */
static void make_room(struct restore *r, int fd, uint32_t file)
{
	size_t len = 0;

	if (file && restore_frame(r, FRAME_SOCKET_QUEUE, file, &len) && len > 30000) {
		int want = len > INT32_MAX / 4 ? INT32_MAX / 4 : (int)(2 * len + 65536);

		socket_set(fd, SOL_SOCKET, SO_RCVBUF, want);
		if (socket_get(fd, SOL_SOCKET, SO_RCVBUF, 0) < want)
			socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, want);
		socket_set(fd, SOL_SOCKET, SO_BUF_LOCK, 0);
	}
}

struct ends {
	struct inet_address at[2];
	int family[2];
	uint32_t scope[2];
	uint32_t file[2];
};

static int ends_of(const InetSocket *u, uint32_t own_file, struct ends *e)
{
	uint32_t me = u->end, other = 1 - u->end;

	if (u->end > 1 || address_in(&u->local, &e->at[me], &e->scope[me]) < 0 ||
	    address_in(&u->peer, &e->at[other], &e->scope[other]) < 0)
		return -EBADMSG;
	e->family[me] = (int)u->family;
	e->family[other] = (int)u->peer_family;
	e->file[me] = own_file;
	e->file[other] = u->peer_file;
	return 0;
}

static int make_pair(struct restore *r, const InetSocket *u, const struct ends *e, int *ret_fds,
		     struct pidspace_error *err)
{
	_cleanup_close_ int l = -1, c = -1;
	char text[64];
	int k;

	l = new_socket(u, e->family[1], err);
	c = new_socket(u, e->family[0], err);
	if (l < 0 || c < 0)
		return l < 0 ? l : c;
	make_room(r, l, e->file[1]);
	make_room(r, c, e->file[0]);
	k = bind_to(l, e->family[1], e->at[1], e->scope[1]);
	if (k == 0 && listen(l, 16) < 0)
		k = -errno;
	if (k < 0)
		return bind_failed(err, k, e->at[1]);
	k = bind_client(c, e->family[0], e->at[0], e->scope[0]);
	if (k < 0)
		return bind_failed(err, k, e->at[0]);
	/* A mapped address is written as the client's own family needs it. */
	k = connect_to(c, e->family[0], e->at[1], e->scope[1]);
	if (k == -EADDRNOTAVAIL || k == -EADDRINUSE)
		return inet_in_use(err, k, "tcp", e->at[0]);
	if (k == 0)
		k = ret_fds[1] = accept_from(l, e->at[0]);
	if (k < 0)
		return error_sys(err, k, "cannot connect to TCP address %s again",
				 inet_address_text(e->at[1], text));
	ret_fds[0] = fd_take(&c);
	return 0;
}

static int make_end(struct restore *r, const OpenFile *f, const InetSocket *u,
		    struct pidspace_error *err)
{
	struct made_object *o = restore_object(r, KIND_TCP, u->object);
	struct ends e;
	struct pair *p;

	if (!o || ends_of(u, f->id, &e) < 0)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "the addresses of TCP connection %u cannot be read", u->object);
	if (!o->data) {
		int k = make_pair(r, u, &e, o->fd, err);

		if (k < 0)
			return k;
		o->data = calloc(1, sizeof(struct pair));
		if (!o->data)
			return error_sys(err, -ENOMEM, "cannot make a TCP connection");
	}
	p = o->data;
	p->made++;
	p->shutdown[u->end] = u->shutdown;
	p->alone |= u->peer_gone;
	int fd = fcntl(o->fd[u->end], F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? error_sys(err, -errno, "cannot keep a TCP socket") : fd;
}

/* --- connections that are over --- */

/* A pair at addresses of the kernel's choice; the end that stays is *ret_fds, its writer ret_fds[1]. */
static int loopback_pair(const InetSocket *u, int *ret_fds, struct pidspace_error *err)
{
	union inet_sockaddr sa;
	struct inet_address a = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	socklen_t n = inet_address_to(a, AF_INET, 0, &sa);
	_cleanup_close_ int l = -1, c = -1;

	if (u->family == AF_INET6) {
		a = (struct inet_address){.ip = {[15] = 1}};
		n = inet_address_to(a, AF_INET6, 0, &sa);
	}
	l = socket((int)u->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c = socket((int)u->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 || c < 0 || bind(l, &sa.any, n) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, &sa.any, &n) < 0 || connect(c, &sa.any, n) < 0)
		return error_sys(err, -errno, "cannot make a TCP connection");
	ret_fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	if (ret_fds[1] < 0)
		return error_sys(err, -errno, "cannot make a TCP connection");
	ret_fds[0] = fd_take(&c);
	return 0;
}

static int make_over(struct restore *r, const OpenFile *f, const InetSocket *u,
		     struct pidspace_error *err)
{
	struct linger now = {.l_onoff = 1};
	_cleanup_close_ int fd = -1, writer = -1;
	int fds[2] = {-1, -1}, k;
	size_t len;

	if (!u->failed && !restore_frame(r, FRAME_SOCKET_QUEUE, f->id, &len)) {
		fd = new_socket(u, (int)u->family, err);
		/* Answers ENOTCONN, and shuts it (inet_shutdown()). */
		if (fd >= 0)
			shutdown(fd, SHUT_RDWR);
		return fd_take(&fd);
	}
	k = loopback_pair(u, fds, err);
	fd = fds[0];
	writer = fds[1];
	if (k == 0)
		k = socket_queue_fill(r, f->id, writer, err);
	if (k < 0)
		return k;
	if (u->failed)
		setsockopt(writer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	else
		shutdown(fd, SHUT_WR);
	fd_closep(&writer);
	return fd_take(&fd);
}

/* --- listening and unconnected ones --- */

static int make_single(struct restore *r, const OpenFile *f, const InetSocket *u,
		       struct pidspace_error *err)
{
	_cleanup_close_ int fd = -1;
	struct inet_address a;
	uint32_t scope;
	int k;

	if (address_in(&u->local, &a, &scope) < 0)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "the address of TCP socket %u cannot be read", f->id);
	fd = new_socket(u, (int)u->family, err);
	if (fd < 0)
		return fd;
	if (a.port) {
		k = bind_to(fd, (int)u->family, a, scope);
		if (k < 0)
			return bind_failed(err, k, a);
	}
	if (u->state == TCP_LISTEN) {
		struct made_object *o = restore_object(r, OBJECT_TCP_LISTENER, f->id);
		struct listener *l = calloc(1, sizeof *l);

		if (!o || !l) {
			free(l);
			return error_sys(err, -ENOMEM, "cannot make a TCP socket");
		}
		l->backlog = (int)u->backlog;
		o->data = l;
		o->fd[0] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return fd_take(&fd);
}

/* All of them, before any socket may lose SO_REUSEADDR again. */
static int start_listeners(struct restore *r, struct pidspace_error *err)
{
	vec_each(o, &r->objects) {
		struct listener *l = o->data;
		struct inet_address a = {0};
		int k = 0;

		if (o->kind != OBJECT_TCP_LISTENER || !l || l->listens)
			continue;
		l->listens = true;
		for (int tries = 0;; tries++) {
			k = listen(o->fd[0], l->backlog) < 0 ? -errno : 0;
			if (!worth_a_retry(k, tries))
				break;
		}
		inet_local(o->fd[0], &a);
		if (k < 0)
			return bind_failed(err, k, a);
	}
	return 0;
}

int tcp_restore_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ InetSocket *u = message_unpack(&inet_socket__descriptor, f->body.data,
							 f->body.len, "a TCP socket", err);
	_cleanup_close_ int fd = -1;
	int k;

	if (!u)
		return -EBADMSG;
	if (u->object)
		fd = make_end(r, f, u, err);
	else if (u->state == TCP_CLOSE && u->shutdown)
		fd = make_over(r, f, u, err);
	else
		fd = make_single(r, f, u, err);
	if (fd < 0)
		return fd;
	k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set flags of a TCP socket") : fd_take(&fd);
}

/* --- content --- */

static void shut(int fd, uint32_t mask)
{
	if (mask & 1)
		shutdown(fd, SHUT_RD);
	if (mask & 2)
		shutdown(fd, SHUT_WR);
}

int tcp_restore_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ InetSocket *u = message_unpack(&inet_socket__descriptor, f->body.data,
							 f->body.len, "a TCP socket", err);
	int k;

	if (!u)
		return -EBADMSG;
	k = start_listeners(r, err);
	if (k == 0 && u->object) {
		struct made_object *o = restore_object(r, KIND_TCP, u->object);
		struct pair *p = o ? o->data : NULL;

		if (!p || u->end > 1)
			return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
					 "TCP socket %u was not made", f->id);
		k = socket_queue_fill(r, f->id, o->fd[1 - u->end], err);
		if (k == 0 && ++p->filled == p->made) {
			for (int i = 0; i < 2; i++)
				shut(o->fd[i], p->shutdown[i]);
			if (p->alone)
				fd_closep(&o->fd[1 - u->end]);
		}
	}
	return k < 0 ? k : socket_options_apply(fd, u->option, u->n_option, err);
}
