#include "kinds/socket_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"

/* The engine has it; kinds are also used without one. */
#pragma weak restore_as_pid

#define SEND_BUFFER_LOCKED 1 /* SOCK_SNDBUF_LOCK, include/net/sock.h */
#define RECEIVE_BUFFER_LOCKED 2

enum of {
	ANY = 1,   /* every socket */
	UNIX = 2,  /* AF_UNIX */
	INET = 4,  /* AF_INET and AF_INET6 */
	INET6 = 8, /* AF_INET6 */
	TCP = 16,
	UDP = 32,
};

/* Set in this order: TCP_DEFER_ACCEPT and the like come after what they depend on. */
static const struct row {
	int level, name;
	enum of of;
	socklen_t size;
} rows[] = {
	{SOL_SOCKET, SO_REUSEADDR,        INET, 4},
	{SOL_SOCKET, SO_REUSEPORT,        INET, 4},
	{SOL_SOCKET, SO_KEEPALIVE,        ANY,  4},
	{SOL_SOCKET, SO_BROADCAST,        UDP,  4},
	{SOL_SOCKET, SO_OOBINLINE,        ANY,  4},
	{SOL_SOCKET, SO_LINGER,           ANY,  sizeof(struct linger)},
	{SOL_SOCKET, SO_RCVLOWAT,         ANY,  4},
	{SOL_SOCKET, SO_RCVTIMEO,         ANY,  sizeof(struct timeval)},
	{SOL_SOCKET, SO_SNDTIMEO,         ANY,  sizeof(struct timeval)},
	{SOL_SOCKET, SO_PASSCRED,         UNIX, 4},
	{SOL_SOCKET, SO_PEEK_OFF,         UNIX, 4},
	{SOL_SOCKET, SO_TIMESTAMP,        ANY,  4},
	{SOL_SOCKET, SO_TIMESTAMPNS,      ANY,  4},
	{SOL_SOCKET, SO_PRIORITY,         INET, 4},
	{SOL_SOCKET, SO_MARK,             INET, 4},
	{SOL_SOCKET, SO_DONTROUTE,        INET, 4},
	{SOL_SOCKET, SO_NO_CHECK,         UDP,  4},
	{SOL_SOCKET, SO_RXQ_OVFL,         UDP,  4},
	{SOL_SOCKET, SO_BUSY_POLL,        INET, 4},
	{SOL_SOCKET, SO_MAX_PACING_RATE,  INET, 8},
	{IPPROTO_IP, IP_TOS,              INET, 4},
	{IPPROTO_IP, IP_TTL,              INET, 4},
	{IPPROTO_IP, IP_MTU_DISCOVER,     INET, 4},
	{IPPROTO_IP, IP_RECVERR,          INET, 4},
	{IPPROTO_IP, IP_PKTINFO,          UDP,  4},
	{IPPROTO_IP, IP_RECVTTL,          UDP,  4},
	{IPPROTO_IP, IP_RECVTOS,          UDP,  4},
	{IPPROTO_IP, IP_FREEBIND,         INET, 4},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, INET, 4},
	{IPPROTO_IP, IP_MULTICAST_LOOP,   UDP,  4},
	{IPPROTO_IP, IP_MULTICAST_TTL,    UDP,  4},
	{IPPROTO_IPV6, IPV6_V6ONLY,       INET6, 4},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, INET6, 4},
	{IPPROTO_IPV6, IPV6_TCLASS,       INET6, 4},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, INET6, 4},
	{IPPROTO_IPV6, IPV6_RECVERR,      INET6, 4},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO,  INET6, 4},
	{IPPROTO_TCP, TCP_NODELAY,        TCP,  4},
	{IPPROTO_TCP, TCP_CORK,           TCP,  4},
	{IPPROTO_TCP, TCP_KEEPIDLE,       TCP,  4},
	{IPPROTO_TCP, TCP_KEEPINTVL,      TCP,  4},
	{IPPROTO_TCP, TCP_KEEPCNT,        TCP,  4},
	{IPPROTO_TCP, TCP_SYNCNT,         TCP,  4},
	{IPPROTO_TCP, TCP_LINGER2,        TCP,  4},
	{IPPROTO_TCP, TCP_USER_TIMEOUT,   TCP,  4},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT,   TCP,  4},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT,  TCP,  4},
	{IPPROTO_TCP, TCP_FASTOPEN,       TCP,  4},
	{IPPROTO_TCP, TCP_CONGESTION,     TCP,  16},
};

static enum of of_socket(int domain, int type)
{
	if (domain == AF_UNIX)
		return ANY | UNIX;
	return ANY | INET | (domain == AF_INET6 ? INET6 : 0) | (type == SOCK_STREAM ? TCP : UDP);
}

int socket_get(int fd, int level, int name, int fallback)
{
	int v = 0;
	socklen_t n = sizeof v;

	return getsockopt(fd, level, name, &v, &n) < 0 ? fallback : v;
}

int socket_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int socket_bytes(ProtobufCBinaryData *ret, const void *p, size_t n)
{
	ret->data = malloc(n ? n : 1);
	if (!ret->data)
		return -ENOMEM;
	memcpy(ret->data, p, n);
	ret->len = n;
	return 0;
}

static int options_add(struct socket_options *o, int level, int name, const void *value, size_t len)
{
	SocketOption **grown = realloc(o->at, (o->n + 1) * sizeof *grown);
	SocketOption *one;

	if (!grown)
		return -ENOMEM;
	o->at = grown;
	one = malloc(sizeof *one);
	if (!one)
		return -ENOMEM;
	*one = (SocketOption)SOCKET_OPTION__INIT;
	one->level = level;
	one->name = name;
	if (socket_bytes(&one->value, value, len) < 0) {
		free(one);
		return -ENOMEM;
	}
	o->at[o->n++] = one;
	return 0;
}

int socket_options_read(int fd, int domain, int type, struct socket_options *ret)
{
	enum of of = of_socket(domain, type);
	int locked = socket_get(fd, SOL_SOCKET, SO_BUF_LOCK, 0);
	int k = 0;

	*ret = (struct socket_options){0};
	for (size_t i = 0; i < sizeof rows / sizeof *rows && k == 0; i++) {
		char value[16] = {0};
		socklen_t n = rows[i].size;

		if ((of & rows[i].of) && getsockopt(fd, rows[i].level, rows[i].name, value, &n) == 0)
			k = options_add(ret, rows[i].level, rows[i].name, value, n);
	}
	for (int i = 0; i < 2 && k == 0; i++) {
		int name = i ? SO_RCVBUF : SO_SNDBUF, v = socket_get(fd, SOL_SOCKET, name, 0);

		if (locked & (i ? RECEIVE_BUFFER_LOCKED : SEND_BUFFER_LOCKED))
			k = options_add(ret, SOL_SOCKET, name, &v, sizeof v);
	}
	if (k < 0)
		socket_options_free(ret);
	return k;
}

void socket_options_free(struct socket_options *o)
{
	for (size_t i = 0; i < o->n; i++)
		protobuf_c_message_free_unpacked(&o->at[i]->base, NULL);
	free(o->at);
	*o = (struct socket_options){0};
}

/* getsockopt answers twice what setsockopt was told (socket(7)). */
static void set_buffer(int fd, int name, int doubled)
{
	int force = name == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;

	socket_set(fd, SOL_SOCKET, name, doubled / 2);
	if (socket_get(fd, SOL_SOCKET, name, 0) < doubled)
		socket_set(fd, SOL_SOCKET, force, doubled / 2);
}

int socket_options_apply(int fd, SocketOption *const *at, size_t n, struct pidspace_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const SocketOption *o = at[i];
		char now[64] = {0};
		socklen_t len = sizeof now;

		if (o->value.len > sizeof now)
			return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
					 "a socket option of the image is %zu bytes long", o->value.len);
		if (o->level == SOL_SOCKET && (o->name == SO_SNDBUF || o->name == SO_RCVBUF)) {
			set_buffer(fd, o->name, socket_option_int(at + i, 1, o->level, o->name, 0));
			continue;
		}
		if (getsockopt(fd, o->level, o->name, now, &len) == 0 && len == o->value.len &&
		    !memcmp(now, o->value.data, len))
			continue;
		if (setsockopt(fd, o->level, o->name, o->value.data, (socklen_t)o->value.len) == 0)
			continue;
		/* Fixed once bound; an accepted socket has its listener's. */
		if (o->level != IPPROTO_IPV6 || o->name != IPV6_V6ONLY)
			return error_sys(err, -errno, "cannot set option %d of level %d of a socket",
					 o->name, o->level);
	}
	return 0;
}

int socket_option_int(SocketOption *const *at, size_t n, int level, int name, int fallback)
{
	for (size_t i = 0; i < n; i++) {
		int v;

		if (at[i]->level == level && at[i]->name == name && at[i]->value.len == sizeof v) {
			memcpy(&v, at[i]->value.data, sizeof v);
			return v;
		}
	}
	return fallback;
}

void socket_grow_send_buffer(int fd, size_t bytes)
{
	int now = socket_get(fd, SOL_SOCKET, SO_SNDBUF, 0);
	size_t want = (size_t)now + 4 * bytes;

	/* The kernel counts its own headers too, for tiny messages many times the data. */
	set_buffer(fd, SO_SNDBUF, want > INT32_MAX / 2 ? INT32_MAX / 2 : (int)want);
}

struct vpid socket_guest_pid(const struct save *s, pid_t ours)
{
	struct vpid guest;

	if (ours <= 0)
		return vpid_of(0);
	if (!s->space)
		return vpid_of(ours);
	return space_to_guest(s->space, hpid_of(ours), &guest) < 0 ? vpid_of(0) : guest;
}

int socket_as_pid(struct restore *r, struct vpid pid, int (*fn)(void *arg, int *ret_fds), void *arg,
		  int *ret_fds, size_t n)
{
	if (!r->engine || !restore_as_pid)
		return -ENOSYS;
	return restore_as_pid(r, pid, fn, arg, ret_fds, n, NULL);
}
