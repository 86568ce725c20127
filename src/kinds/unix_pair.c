/* AF_UNIX sockets: the two ends of a connection, listening and unconnected ones.
 *
 * Which two belong together only the kernel's socket table tells (unix_diag.h). Both ends are made at
 * once, when the first is met, in a process that bears the number of whoever made them: SO_PEERCRED
 * keeps saying it. Unread data is written ahead from the other end; then what was shut down is shut
 * down again, and an end that nobody held any more is closed. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/kinds.h"
#include "kinds/message.h"
#include "kinds/socket_queue.h"
#include "kinds/socket_state.h"
#include "kinds/unix_diag.h"
#include "kinds/unix_restore.h"

/* --- saving --- */

static bool unix_claims(const struct save *s, const struct saved_file *f)
{
	return S_ISSOCK(f->st.st_mode) && socket_get(f->local, SOL_SOCKET, SO_DOMAIN, -1) == AF_UNIX;
}

static const struct saved_file *file_of_socket(const struct save *s, ino_t ino)
{
	vec_each(f, &s->files) {
		if (f->st.st_ino == ino && S_ISSOCK(f->st.st_mode))
			return f;
	}
	return NULL;
}

static void save_name(struct save *s, const struct saved_file *f, const struct unix_diag *d,
		      UnixSocket *u)
{
	struct sockaddr_un a = {0};
	socklen_t n = sizeof a;
	struct stat st;

	if (getsockname(f->local, (struct sockaddr *)&a, &n) < 0 ||
	    n <= offsetof(struct sockaddr_un, sun_path))
		return;
	n -= offsetof(struct sockaddr_un, sun_path);
	/* The kernel counts a path's terminating NUL. */
	if (a.sun_path[0])
		n = (socklen_t)strnlen(a.sun_path, n);
	socket_bytes(&u->name, a.sun_path, n);
	if (!d->has_path || a.sun_path[0] != '/')
		return;
	_cleanup_close_ int fd = openat(s->root_fd, a.sun_path + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && (uint32_t)st.st_ino == d->path_ino &&
	    st.st_dev == unix_diag_dev(d->path_dev)) {
		u->name_inode = true;
		u->mode = st.st_mode & 07777;
		u->uid = st.st_uid;
		u->gid = st.st_gid;
	}
}

static bool peer_creds(struct save *s, int fd, int32_t *pid, uint32_t *uid, uint32_t *gid)
{
	struct ucred c = {0};
	socklen_t n = sizeof c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0 || c.uid == (uid_t)-1)
		return false;
	*pid = socket_guest_pid(s, c.pid).n;
	*uid = c.uid;
	*gid = c.gid;
	return true;
}

static void save_peer_name(const struct saved_file *f, UnixSocket *u)
{
	struct sockaddr_un a = {0};
	socklen_t n = sizeof a;

	if (getpeername(f->local, (struct sockaddr *)&a, &n) < 0 ||
	    n <= offsetof(struct sockaddr_un, sun_path))
		return;
	n -= offsetof(struct sockaddr_un, sun_path);
	if (a.sun_path[0])
		n = (socklen_t)strnlen(a.sun_path, n);
	socket_bytes(&u->peer_name, a.sun_path, n);
}

/* The external that the other end is bound to (/dev/log), or NULL. */
static const struct external *external_peer(const struct save *s, const struct unix_diag *peer)
{
	return peer->has_path ? save_external(s, unix_diag_dev(peer->path_dev), peer->path_ino) : NULL;
}

/* Who is at the other end: fills object and end, or refuses. */
static int save_connection(struct save *s, const struct saved_file *f, const struct unix_diag *d,
			   UnixSocket *u, struct pidspace_error *err)
{
	const struct saved_file *other = d->peer ? file_of_socket(s, d->peer) : NULL;
	struct unix_diag p = {0};
	ino_t key = d->peer && d->peer < d->ino ? d->peer : d->ino;
	bool is_new;

	if (!d->peer) {
		struct pollfd pfd = {.fd = f->local};

		poll(&pfd, 1, 0);
		u->peer_gone = true;
		u->reset = pfd.revents & POLLERR;
	} else if (unix_diag_query(d->peer, &p, NULL) < 0) {
		u->peer_gone = true; /* closed between the two questions, by somebody outside */
	} else if (!other) {
		const struct external *x = external_peer(s, &p);

		if (x) {
			u->external = strdup(x->name);
			return u->external ? 0 : error_sys(err, -ENOMEM, "cannot save a socket");
		}
		save_refuse(s, f, "E_UNIX_OUTSIDE", "the other end is held by a process outside the container",
			    "close it before the checkpoint, or name its path with --external",
			    "unix socket %s", f->link);
		return 0;
	} else if (p.peer != d->ino) {
		save_refuse(s, f, "E_UNIX_ONE_WAY",
			    "a datagram socket that is connected in one direction only is not carried yet",
			    "close it before the checkpoint", "unix socket %s", f->link);
		return 0;
	}
	u->object = save_object_id(s, KIND_UNIX_SOCKET, 0, key, &is_new);
	save_peer_name(f, u);
	/* An accepted socket bears the name of its listener; the one that connected mostly has none. */
	if (!u->name.len == !u->peer_name.len)
		u->end = other && d->ino != key;
	else
		u->end = u->name.len > 0;
	if (other)
		u->own_creds = peer_creds(s, other->local, &u->own_pid, &u->own_uid, &u->own_gid);
	return u->object ? 0 : error_sys(err, -ENOMEM, "cannot save a socket");
}

static int save_queue(struct save *s, const struct saved_file *f, const UnixSocket *u,
		      struct pidspace_error *err)
{
	enum socket_queue_flaw flaw;
	int k = socket_queue_save(s, f, u->type == SOCK_STREAM, NULL, &flaw, err);

	if (k < 0)
		return k;
	if (flaw == SOCKET_QUEUE_RIGHTS)
		save_refuse(s, f, "E_UNIX_SCM", "descriptors are in flight in it (SCM_RIGHTS)",
			    "try again once the receiver has taken them", "unix socket %s", f->link);
	else if (flaw == SOCKET_QUEUE_URGENT)
		save_refuse(s, f, "E_UNIX_OOB", "out-of-band data waits in it",
			    "try again once the receiver has taken it", "unix socket %s", f->link);
	return 0;
}

static int save_state(struct save *s, struct saved_file *f, UnixSocket *u, struct pidspace_error *err)
{
	struct unix_diag d;
	int k = unix_diag_query(f->st.st_ino, &d, err);

	if (k < 0)
		return k;
	u->type = (uint32_t)socket_get(f->local, SOL_SOCKET, SO_TYPE, 0);
	u->shutdown = d.shutdown;
	save_name(s, f, &d, u);
	if (d.state == TCP_LISTEN) {
		u->listening = true;
		u->backlog = d.backlog;
		if (d.queue)
			save_refuse(s, f, "E_UNIX_PENDING", "connections wait to be accepted",
				    "try again once the program has accepted them", "unix socket %s",
				    f->link);
	} else if (d.has_peer) {
		k = save_connection(s, f, &d, u, err);
	} else if (u->type != SOCK_DGRAM && d.state == TCP_ESTABLISHED) {
		u->peer_gone = true; /* disconnected */
	}
	if (k < 0)
		return k;
	if (u->name.len && u->name.data[0] && u->name.data[0] != '/')
		save_refuse(s, f, "E_UNIX_NAMED", "its path is relative to a directory nobody remembers",
			    "bind it to an absolute path", "unix socket %s", f->link);
	u->peer_creds = peer_creds(s, f->local, &u->peer_pid, &u->peer_uid, &u->peer_gid);
	return u->listening ? 0 : save_queue(s, f, u, err);
}

static int unix_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		     struct pidspace_error *err)
{
	struct socket_options options = {0};
	UnixSocket *u = malloc(sizeof *u);
	int k;

	if (!u)
		return error_sys(err, -ENOMEM, "cannot save a socket");
	*u = (UnixSocket)UNIX_SOCKET__INIT;
	k = socket_options_read(f->local, AF_UNIX, 0, &options);
	u->option = options.at;
	u->n_option = options.n;
	if (k < 0)
		error_sys(err, k, "cannot read the options of a unix socket");
	else
		k = save_state(s, f, u, err);
	if (k >= 0)
		k = message_pack(&u->base, ret_body, err);
	protobuf_c_message_free_unpacked(&u->base, NULL);
	return k;
}

const struct fd_kind unix_kind = {
	.name = "unix socket",
	.id = KIND_UNIX_SOCKET,
	.claims = unix_claims,
	.save = unix_save,
	.make = unix_restore_make,
	.connect = unix_restore_connect,
	.body = &unix_socket__descriptor,
};
