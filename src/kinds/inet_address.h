#pragma once
/* Addresses of TCP and UDP sockets, whatever family the socket is of. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <pidspace/error.h>
#include <protobuf-c/protobuf-c.h>

union inet_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* An address to compare: IPv4 in its IPv6-mapped form. */
struct inet_address {
	uint8_t ip[16];
	uint16_t port; /* host order; 0: none */
};

struct inet_address inet_address_of(const union inet_sockaddr *a);
/* The address as a sockaddr of this family; an IPv6 one given to AF_INET keeps its last 4 bytes. */
socklen_t inet_address_to(struct inet_address a, int family, uint32_t scope, union inet_sockaddr *ret);
bool inet_address_equal(struct inet_address a, struct inet_address b);
/* "127.0.0.1:80" or "[::1]:80" */
const char *inet_address_text(struct inet_address a, char buf[static 64]);

/* getsockname and getpeername; 0 or -errno. */
int inet_local(int fd, struct inet_address *ret);
int inet_peer(int fd, struct inet_address *ret);

struct inet_found {
	ino_t inode; /* 0: no descriptor refers to it (orphaned, or not yet accepted) */
	int state;   /* TCP_* of tcp_states.h; 0: there is no such socket */
};

/* The TCP socket with these two addresses in our network namespace. -ENOENT. */
int inet_find_connection(struct inet_address local, struct inet_address peer, struct inet_found *ret);

/* Sets err: the address is in use, and by whom as far as we may see that. Returns status. */
int inet_in_use(struct pidspace_error *err, int status, const char *protocol, struct inet_address a);
