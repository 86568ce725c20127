#include "kinds/inet_address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(struct inet_address a)
{
	return !memcmp(a.ip, mapped, sizeof mapped);
}

struct inet_address inet_address_of(const union inet_sockaddr *a)
{
	struct inet_address r = {0};

	if (a->any.sa_family == AF_INET) {
		memcpy(r.ip, mapped, sizeof mapped);
		memcpy(r.ip + 12, &a->v4.sin_addr, 4);
		r.port = ntohs(a->v4.sin_port);
	} else {
		memcpy(r.ip, &a->v6.sin6_addr, 16);
		r.port = ntohs(a->v6.sin6_port);
	}
	return r;
}

socklen_t inet_address_to(struct inet_address a, int family, uint32_t scope, union inet_sockaddr *ret)
{
	*ret = (union inet_sockaddr){0};
	if (family == AF_INET) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(a.port);
		memcpy(&ret->v4.sin_addr, a.ip + 12, 4);
		return sizeof ret->v4;
	}
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons(a.port);
	ret->v6.sin6_scope_id = scope;
	memcpy(&ret->v6.sin6_addr, a.ip, 16);
	return sizeof ret->v6;
}

bool inet_address_equal(struct inet_address a, struct inet_address b)
{
	return a.port == b.port && !memcmp(a.ip, b.ip, sizeof a.ip);
}

const char *inet_address_text(struct inet_address a, char buf[static 64])
{
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(is_v4(a) ? AF_INET : AF_INET6, is_v4(a) ? a.ip + 12 : a.ip, ip, sizeof ip);
	snprintf(buf, 64, is_v4(a) ? "%s:%u" : "[%s]:%u", ip, a.port);
	return buf;
}

int inet_local(int fd, struct inet_address *ret)
{
	union inet_sockaddr a;
	socklen_t n = sizeof a;

	if (getsockname(fd, &a.any, &n) < 0)
		return -errno;
	*ret = inet_address_of(&a);
	return 0;
}

int inet_peer(int fd, struct inet_address *ret)
{
	union inet_sockaddr a;
	socklen_t n = sizeof a;

	if (getpeername(fd, &a.any, &n) < 0)
		return -errno;
	*ret = inet_address_of(&a);
	return 0;
}

int inet_find_connection(struct inet_address local, struct inet_address peer, struct inet_found *ret)
{
	bool v4 = is_v4(local);
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} req = {
		.head = {.nlmsg_len = sizeof req, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = v4 ? AF_INET : AF_INET6,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = ~0U,
			 .id = {.idiag_sport = htons(local.port),
				.idiag_dport = htons(peer.port),
				.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} reply;
	_cleanup_close_ int nl = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n;

	memcpy(req.body.id.idiag_src, v4 ? local.ip + 12 : local.ip, v4 ? 4 : 16);
	memcpy(req.body.id.idiag_dst, v4 ? peer.ip + 12 : peer.ip, v4 ? 4 : 16);
	if (nl < 0 || send(nl, &req, sizeof req, 0) < 0)
		return -errno;
	do
		n = recv(nl, &reply, sizeof reply, 0);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof reply.head)
		return n < 0 ? -errno : -EPROTO;
	if (reply.head.nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(&reply.head))->error ?: -EPROTO;
	const struct inet_diag_msg *m = NLMSG_DATA(&reply.head);
	/* A lookup without a match may answer with a listener of that port. */
	if (m->id.idiag_dport != htons(peer.port))
		return -ENOENT;
	*ret = (struct inet_found){.inode = m->idiag_inode, .state = m->idiag_state};
	return 0;
}

/* --- who has an address --- */

/* The inode of a socket bound to this port in /proc/net/PROTOCOL: the second field is the local
 * address in hexadecimal, the tenth the inode (proc(5)). */
static ino_t bound_inode(const char *protocol, uint16_t port)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *save = NULL;

	snprintf(path, sizeof path, "/proc/net/%s", protocol);
	if (fd_slurp_at(AT_FDCWD, path, &text, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned p, state;
		unsigned long inode;

		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %lu", &p, &state,
			   &inode) == 3 && p == port && inode)
			return inode;
	}
	return 0;
}

static bool holds(int proc, const char *pid, ino_t inode)
{
	char path[64], want[64], link[64];
	_cleanup_close_ int dir = -1;
	bool found = false;

	snprintf(want, sizeof want, "socket:[%ju]", (uintmax_t)inode);
	snprintf(path, sizeof path, "%.20s/fd", pid);
	dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	if (!d)
		return false;
	dir = -1;
	for (struct dirent *e; !found && (e = readdir(d));) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);

		link[n > 0 ? n : 0] = 0;
		found = !strcmp(link, want);
	}
	closedir(d);
	return found;
}

static bool find_holder(ino_t inode, char *buf, size_t size)
{
	DIR *d = opendir("/proc");
	bool found = false;
	char path[64];

	if (!d)
		return false;
	for (struct dirent *e; !found && (e = readdir(d));) {
		_cleanup_free_ char *comm = NULL;

		if (!isdigit((unsigned char)e->d_name[0]) || !holds(dirfd(d), e->d_name, inode))
			continue;
		snprintf(path, sizeof path, "%.20s/comm", e->d_name);
		if (fd_slurp_at(dirfd(d), path, &comm, NULL) == 0)
			comm[strcspn(comm, "\n")] = 0;
		snprintf(buf, size, "process %.20s (%.32s)", e->d_name, comm ? comm : "?");
		found = true;
	}
	closedir(d);
	return found;
}

int inet_in_use(struct pidspace_error *err, int status, const char *protocol, struct inet_address a)
{
	char text[64], name[16], who[96] = "somebody else";
	ino_t inode = bound_inode(protocol, a.port);

	snprintf(name, sizeof name, "%.8s6", protocol);
	if (!inode)
		inode = bound_inode(name, a.port);
	if (inode)
		find_holder(inode, who, sizeof who);
	return error_set(err, status, "E_ADDRESS_IN_USE",
			 "%s address %s is in use by %s on this host: end that, then restore again",
			 protocol, inet_address_text(a, text), who);
}
