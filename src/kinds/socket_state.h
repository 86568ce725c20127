#pragma once
/* What sockets of every family have in common: options, unread data, the number of their maker. */
#include "checkpoint/context.h"
#include "socket.pb-c.h"

/* The options of a message as protobuf-c keeps them: an array of pointers. */
struct socket_options {
	SocketOption **at;
	size_t n;
};

/* Reads the options that tables in socket_state.c list for this domain and type. Buffer sizes only
 * where setsockopt(2) fixed them (SO_BUF_LOCK, Linux 5.14): the others are the kernel's to tune. */
int socket_options_read(int fd, int domain, int type, struct socket_options *ret);
void socket_options_free(struct socket_options *o);

/* Sets what differs. Buffer sizes beyond this host's limit are set as far as it lets us. */
int socket_options_apply(int fd, SocketOption *const *at, size_t n, struct pidspace_error *err);

/* The value of an int option among these, or fallback. */
int socket_option_int(SocketOption *const *at, size_t n, int level, int name, int fallback);

/* Sets an int option; -errno. */
int socket_set(int fd, int level, int name, int value);
/* Reads an int option, fallback when it cannot be read. */
int socket_get(int fd, int level, int name, int fallback);

/* Makes room for the next `bytes` of writing (SO_SNDBUF, as far as this host lets us). */
void socket_grow_send_buffer(int fd, size_t bytes);

/* A pid that getsockopt(2) or recvmsg(2) gave us, as the container sees it; 0 when it is outside or
 * gone: the kernel tells the number of a dead process in our own space only. */
struct vpid socket_guest_pid(const struct save *s, pid_t ours);

/* Copies a sockaddr into a protobuf field (malloc'd). */
int socket_bytes(ProtobufCBinaryData *ret, const void *p, size_t n);

/* restore_as_pid() where there is an engine to do it; -ENOSYS: none. */
int socket_as_pid(struct restore *r, struct vpid pid, int (*fn)(void *arg, int *ret_fds), void *arg,
		  int *ret_fds, size_t n);
