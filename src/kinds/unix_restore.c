#include "kinds/unix_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "kinds/socket_queue.h"
#include "kinds/socket_state.h"

/* What the two ends of a connection wait for: everything written before anything is shut. */
struct pair {
	int made, filled;
	uint32_t shutdown[2];
	bool alone; /* the other end was closed */
	bool reset;
};

/* A step of making sockets, run in a process of the maker's number or in ours. */
struct step {
	const UnixSocket *u;
	const struct restore *r;
	int (*fn)(const struct step *st, int *ret_fds);
	uid_t uid;    /* whose credentials the socket shall remember, when not the restorer's own */
	gid_t gid;
	bool creds;
	uid_t our_uid;
	gid_t our_gid;
};

/* --- names --- */

static socklen_t address_of(const ProtobufCBinaryData *name, struct sockaddr_un *a)
{
	size_t n = name->len < sizeof a->sun_path ? name->len : sizeof a->sun_path;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n) /* an unnamed socket: data is NULL */
		memcpy(a->sun_path, name->data, n);
	n += a->sun_path[0] && n < sizeof a->sun_path;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static bool is_path(const ProtobufCBinaryData *name)
{
	return name->len && name->data[0];
}

/* Binds fd to a name that has to be free only for a moment: a file that is there already is moved
 * aside in *aside, for unbind_path(). */
static int bind_name(int fd, const ProtobufCBinaryData *name, char aside[static 256])
{
	struct sockaddr_un a;
	socklen_t n = address_of(name, &a);

	aside[0] = 0;
	if (!name->len)
		return 0;
	if (is_path(name) && access(a.sun_path, F_OK) == 0) {
		snprintf(aside, 256, "%s.pidspace-%d", a.sun_path, getpid());
		if (rename(a.sun_path, aside) < 0)
			return -errno;
	}
	if (bind(fd, (struct sockaddr *)&a, n) == 0)
		return 0;
	int k = -errno;
	if (aside[0])
		rename(aside, a.sun_path);
	return k;
}

static void unbind_path(const ProtobufCBinaryData *name, const char *aside)
{
	struct sockaddr_un a;

	if (!is_path(name))
		return;
	address_of(name, &a);
	unlink(a.sun_path);
	if (aside[0])
		rename(aside, a.sun_path);
}

/* Binds a socket that keeps its place in the file tree. The stale socket file of the container that
 * was saved gives way; anything else there stays. */
static int bind_for_good(const UnixSocket *u, int fd)
{
	struct sockaddr_un a;
	socklen_t n = address_of(&u->name, &a);
	struct stat st;

	if (is_path(&u->name) && lstat(a.sun_path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return -EEXIST;
		if (unlink(a.sun_path) < 0)
			return -errno;
	}
	if (bind(fd, (struct sockaddr *)&a, n) < 0)
		return -errno;
	if (!is_path(&u->name))
		return 0;
	if (lstat(a.sun_path, &st) == 0 && (st.st_uid != u->uid || st.st_gid != u->gid) &&
	    lchown(a.sun_path, u->uid, u->gid) < 0 && geteuid() == 0)
		return -errno;
	return chmod(a.sun_path, u->mode) < 0 ? -errno : 0;
}

/* --- running a step as somebody --- */

static int step_run(void *arg, int *ret_fds)
{
	const struct step *st = arg;

	if (st->creds && st->gid != st->our_gid && setegid(st->gid) < 0)
		return -errno;
	if (st->creds && st->uid != st->our_uid && seteuid(st->uid) < 0)
		return -errno;
	return st->fn(st, ret_fds);
}

/* Inside the container's file tree; *ret_left is a way back when we are elsewhere. */
static int enter_root(const struct restore *r)
{
	struct stat theirs, ours;

	if (r->root_fd < 0 || fstat(r->root_fd, &theirs) < 0 || stat("/", &ours) < 0)
		return 0;
	if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return 0;
	if (fchdir(r->root_fd) < 0 || chroot(".") < 0)
		return -errno;
	return 0;
}

/* Without a number of its own: a child of ours, because it changes root and credentials. */
static int run_in_child(struct step *st, int *ret_fds, size_t n)
{
	int sv[2], fds[2] = {-1, -1}, status;
	_cleanup_close_ int mine = -1, theirs = -1;
	size_t got = 0;
	int k = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	mine = sv[0];
	theirs = sv[1];
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		k = step_run(st, fds);
		fd_send_fds(theirs, &k, sizeof k, fds, k < 0 ? 0 : n);
		_exit(0);
	}
	fd_closep(&theirs);
	ssize_t len = fd_recv_fds(mine, &k, sizeof k, ret_fds, n, &got);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (len != sizeof k)
		return len < 0 ? (int)len : -ECHILD;
	return k < 0 ? k : got == n ? 0 : -EPROTO;
}

static int socketpair_step(const struct step *st, int *ret_fds)
{
	return socketpair(AF_UNIX, (int)st->u->type | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

/* The maker's number is kept where it is free; else the socket says that its maker was outside. */
static int run_as(struct restore *r, int32_t pid, struct step *st, int *ret_fds, size_t n)
{
	st->r = r;
	st->our_uid = geteuid();
	st->our_gid = getegid();
	if (pid == 1 && st->fn == socketpair_step && r->engine &&
	    restore_init_socketpair(r, (int)st->u->type, ret_fds) == 0)
		return 0;
	if (pid > 1) {
		int k = socket_as_pid(r, vpid_of(pid), step_run, st, ret_fds, n);
		if (k >= 0)
			return 0;
	}
	if (!st->u->name.len && !st->u->peer_name.len &&
	    (!st->creds || (st->uid == st->our_uid && st->gid == st->our_gid)))
		return st->fn(st, ret_fds);
	int k = run_in_child(st, ret_fds, n);
	if (k == -EPERM && st->creds) {
		st->creds = false;
		k = run_in_child(st, ret_fds, n);
	}
	return k;
}

/* --- making --- */

/* The name that end `end` has. */
static const ProtobufCBinaryData *name_of(const UnixSocket *u, uint32_t end)
{
	return end == u->end ? &u->name : &u->peer_name;
}

/* The restored listener of an abstract name: no second one can have it. */
static int made_listener(const struct restore *r, const ProtobufCBinaryData *name)
{
	struct sockaddr_un want, a;
	socklen_t n = address_of(name, &want), len;

	if (is_path(name))
		return -1;
	vec_each(f, &r->files) {
		len = sizeof a;
		if (socket_get(f->fd, SOL_SOCKET, SO_DOMAIN, -1) == AF_UNIX &&
		    socket_get(f->fd, SOL_SOCKET, SO_ACCEPTCONN, 0) &&
		    getsockname(f->fd, (struct sockaddr *)&a, &len) == 0 && len == n &&
		    !memcmp(&a, &want, n))
			return f->fd;
	}
	return -1;
}

static int named_pair_step(const struct step *st, int *ret_fds)
{
	const ProtobufCBinaryData *name = name_of(st->u, 1), *client = name_of(st->u, 0);
	_cleanup_close_ int own = -1, c = -1;
	char aside[256] = "", aside_client[256] = "";
	int l = made_listener(st->r, name), k = enter_root(st->r);
	struct sockaddr_un a;
	socklen_t n = address_of(name, &a);

	c = socket(AF_UNIX, (int)st->u->type | SOCK_CLOEXEC, 0);
	if (k == 0 && l < 0) {
		l = own = socket(AF_UNIX, (int)st->u->type | SOCK_CLOEXEC, 0);
		k = own < 0 ? -errno : bind_name(own, name, aside);
		if (k == 0 && listen(own, 1) < 0)
			k = -errno;
	}
	if (k == 0)
		k = c < 0 ? -errno : bind_name(c, client, aside_client);
	if (k < 0)
		return k;
	if (connect(c, (struct sockaddr *)&a, n) < 0)
		k = -errno;
	unbind_path(client, aside_client);
	if (own >= 0)
		unbind_path(name, aside);
	if (k < 0)
		return k;
	ret_fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	if (ret_fds[1] < 0)
		return -errno;
	ret_fds[0] = fd_take(&c);
	return 0;
}

static int datagrams_step(const struct step *st, int *ret_fds)
{
	char aside[2][256] = {"", ""};
	int k = enter_root(st->r);

	for (int i = 0; i < 2 && k == 0; i++) {
		ret_fds[i] = socket(AF_UNIX, (int)st->u->type | SOCK_CLOEXEC, 0);
		k = ret_fds[i] < 0 ? -errno : bind_name(ret_fds[i], name_of(st->u, i), aside[i]);
	}
	for (int i = 0; i < 2 && k == 0; i++) {
		struct sockaddr_un a;
		socklen_t n = address_of(name_of(st->u, 1 - i), &a);

		if (name_of(st->u, 1 - i)->len && connect(ret_fds[i], (struct sockaddr *)&a, n) < 0)
			k = -errno;
	}
	for (int i = 0; i < 2; i++)
		unbind_path(name_of(st->u, i), aside[i]);
	return k;
}

static int single_step(const struct step *st, int *ret_fds)
{
	_cleanup_close_ int fd = socket(AF_UNIX, (int)st->u->type | SOCK_CLOEXEC, 0);
	char aside[256];
	int k = 0;

	if (fd < 0)
		return -errno;
	if (st->u->name.len) {
		k = enter_root(st->r);
		if (k == 0 && (st->u->name_inode || !is_path(&st->u->name))) {
			k = bind_for_good(st->u, fd);
		} else if (k == 0) {
			k = bind_name(fd, &st->u->name, aside);
			if (k == 0)
				unbind_path(&st->u->name, aside);
		}
	}
	if (k == 0 && st->u->listening && listen(fd, (int)st->u->backlog) < 0)
		k = -errno;
	if (k == 0)
		ret_fds[0] = fd_take(&fd);
	return k;
}

static int make_pair(struct restore *r, const UnixSocket *u, int *ret_fds)
{
	struct step st = {.u = u, .fn = socketpair_step, .uid = u->peer_uid, .gid = u->peer_gid,
			  .creds = u->peer_creds};

	if (u->name.len || u->peer_name.len)
		st.fn = u->type == SOCK_DGRAM ? datagrams_step : named_pair_step;
	return run_as(r, u->peer_pid, &st, ret_fds, 2);
}

static int make_end(struct restore *r, const UnixSocket *u, struct pidspace_error *err)
{
	struct made_object *o = restore_object(r, KIND_UNIX_SOCKET, u->object);
	struct pair *p;

	if (!o || u->end > 1)
		return error_set(err, o ? -EBADMSG : -ENOMEM, "E_IMAGE_CORRUPT",
				 "cannot make unix socket pair %u", u->object);
	if (!o->data) {
		int fds[2] = {-1, -1};
		int k = make_pair(r, u, fds);

		if (k < 0)
			return error_sys(err, k, "cannot make unix socket pair %u", u->object);
		/* Making it may have moved the table of objects. */
		o = restore_object(r, KIND_UNIX_SOCKET, u->object);
		o->fd[0] = fds[0];
		o->fd[1] = fds[1];
		o->data = calloc(1, sizeof(struct pair));
		if (!o->data)
			return error_sys(err, -ENOMEM, "cannot make a unix socket pair");
	}
	p = o->data;
	p->made++;
	p->shutdown[u->end] = u->shutdown;
	p->alone |= u->peer_gone;
	p->reset |= u->reset;
	int fd = fcntl(o->fd[u->end], F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? error_sys(err, -errno, "cannot keep a unix socket") : fd;
}

static int make_alone(struct restore *r, const UnixSocket *u, struct pidspace_error *err)
{
	struct step st = {.u = u, .fn = single_step, .uid = u->peer_uid, .gid = u->peer_gid,
			  .creds = u->peer_creds};
	int fd = -1, k;

	k = run_as(r, u->listening ? u->peer_pid : 0, &st, &fd, 1);
	if (k == -EADDRINUSE || k == -EEXIST)
		return error_set(err, k, "E_ADDRESS_IN_USE",
				 "the name %s%.*s of a unix socket is taken: end who has it, then restore again",
				 is_path(&u->name) ? "" : "@",
				 (int)u->name.len - !is_path(&u->name),
				 (char *)u->name.data + !is_path(&u->name));
	return k < 0 ? error_sys(err, k, "cannot make a unix socket") : fd;
}

/* A stand-in by path comes as the opened socket file, one by number as a socket. */
static int make_external(struct restore *r, const UnixSocket *u, struct pidspace_error *err)
{
	struct external *x = restore_external(r, u->external);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;

	if (!x || x->fd < 0)
		return error_set(err, -ENOENT, "E_EXTERNAL",
				 "nothing stands in for %s: name it with --external %s=PATH",
				 u->external, u->external);
	if (fstat(x->fd, &st) == 0 && !(fcntl(x->fd, F_GETFL) & O_PATH)) {
		int fd = fcntl(x->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? error_sys(err, -errno, "cannot take over %s", u->external) : fd;
	}
	_cleanup_close_ int fd = socket(AF_UNIX, (int)u->type | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d", x->fd);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return error_sys(err, -errno, "cannot connect to %s", u->external);
	return fd_take(&fd);
}

int unix_restore_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ UnixSocket *u = message_unpack(&unix_socket__descriptor, f->body.data,
							 f->body.len, "a unix socket", err);
	_cleanup_close_ int fd = -1;

	if (!u)
		return -EBADMSG;
	if (u->external && u->external[0])
		fd = make_external(r, u, err);
	else if (u->object)
		fd = make_end(r, u, err);
	else
		fd = make_alone(r, u, err);
	if (fd < 0)
		return fd;
	int k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set flags of a unix socket") : fd_take(&fd);
}

/* --- content --- */

static int shut(int fd, uint32_t mask)
{
	if (!mask)
		return 0;
	int how = mask == 3 ? SHUT_RDWR : mask == 2 ? SHUT_WR : SHUT_RD;
	return shutdown(fd, how) < 0 && errno != ENOTCONN ? -errno : 0;
}

static int finish_pair(struct made_object *o, uint32_t end)
{
	struct pair *p = o->data;
	int k = 0;

	if (p->alone) {
		/* Closing with unread data is what makes ECONNRESET (unix_release_sock()). */
		if (p->reset)
			send(o->fd[end], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		fd_closep(&o->fd[1 - end]);
		return shut(o->fd[end], p->shutdown[end]);
	}
	for (int i = 0; i < 2 && k == 0; i++)
		k = shut(o->fd[i], p->shutdown[i]);
	return k;
}

static int fill_bound(struct restore *r, const OpenFile *f, const UnixSocket *u,
		      struct pidspace_error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, (int)u->type | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	socklen_t n = address_of(&u->name, &a);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, n) < 0)
		return error_sys(err, -errno, "cannot put back datagrams for a unix socket");
	return socket_queue_fill(r, f->id, fd, err);
}

int unix_restore_connect(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err)
{
	_cleanup_message_ UnixSocket *u = message_unpack(&unix_socket__descriptor, f->body.data,
							 f->body.len, "a unix socket", err);
	size_t len;
	int k = 0;

	if (!u)
		return -EBADMSG;
	if (u->object) {
		struct made_object *o = restore_object(r, KIND_UNIX_SOCKET, u->object);
		struct pair *p = o ? o->data : NULL;

		if (!p)
			return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "unix socket %u was not made",
					 f->id);
		k = socket_queue_fill(r, f->id, o->fd[1 - u->end], err);
		o = restore_object(r, KIND_UNIX_SOCKET, u->object);
		if (k == 0 && ++p->filled == p->made) {
			k = finish_pair(o, u->end);
			if (k < 0)
				error_sys(err, k, "cannot shut a unix socket down");
		}
	} else if (u->name.len && restore_frame(r, FRAME_SOCKET_QUEUE, f->id, &len)) {
		k = fill_bound(r, f, u, err);
	}
	if (k < 0)
		return k;
	return socket_options_apply(fd, u->option, u->n_option, err);
}
