#include "kinds/socket_queue.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/message.h"
#include "kinds/socket_state.h"

#define MAX_RIGHTS 253 /* SCM_MAX_FD, include/net/scm.h */

struct peeked {
	char *data;
	size_t len;
	bool has_creds, has_rights;
	struct ucred creds;
};

static void read_control(struct msghdr *m, struct peeked *p)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&p->creds, CMSG_DATA(c), sizeof p->creds);
			p->has_creds = true;
		}
		if (c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < n; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
				close(fd);
			}
			p->has_rights = true;
		}
	}
	/* More descriptors than this buffer holds were dropped by the kernel. */
	if (m->msg_flags & MSG_CTRUNC)
		p->has_rights = true;
}

/* One message or piece of a stream at offset off of the queue. 1: got one; 0: there is no more.
 * MSG_TRUNC tells a message's whole length, but makes TCP copy nothing (tcp(7)). */
static int peek_at(int fd, bool stream, size_t off, size_t room, struct peeked *p)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MAX_RIGHTS * sizeof(int)) +
					      CMSG_SPACE(sizeof(struct ucred)) + 256];

	for (;;) {
		char *grown = realloc(p->data, room);
		if (!grown)
			return -ENOMEM;
		p->data = grown;
		struct iovec iov = {.iov_base = p->data, .iov_len = room};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof control};

		if (off <= INT32_MAX)
			socket_set(fd, SOL_SOCKET, SO_PEEK_OFF, (int)off);
		ssize_t n = recvmsg(fd, &m,
				    MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC |
					    (stream ? 0 : MSG_TRUNC));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		p->has_creds = p->has_rights = false;
		read_control(&m, p);
		if ((size_t)n > room) {
			room = (size_t)n;
			continue;
		}
		p->len = (size_t)n;
		return 1;
	}
}

static int queue_add(SocketQueue *q, const struct save *s, const struct peeked *p)
{
	SocketMessage **grown = realloc(q->message, (q->n_message + 1) * sizeof *grown);
	SocketMessage *m;

	if (!grown)
		return -ENOMEM;
	q->message = grown;
	m = malloc(sizeof *m);
	if (!m)
		return -ENOMEM;
	*m = (SocketMessage)SOCKET_MESSAGE__INIT;
	if (socket_bytes(&m->data, p->data, p->len) < 0) {
		free(m);
		return -ENOMEM;
	}
	if (p->has_creds) {
		m->creds = true;
		m->pid = socket_guest_pid(s, p->creds.pid).n;
		m->uid = p->creds.uid;
		m->gid = p->creds.gid;
	}
	q->message[q->n_message++] = m;
	return 0;
}

/* A datagram socket's error would be answered, and consumed, before its data; a stream's only once
 * the data is gone (__skb_try_recv_datagram(), unix_stream_read_generic(), tcp_recvmsg_locked()). So
 * a stream is never asked for more than FIONREAD says there is. */
static int collect(struct save *s, int fd, bool stream, SocketQueue *q,
		   enum socket_queue_flaw *ret_flaw)
{
	struct peeked p = {0};
	int inq = 0, k = 0;
	size_t off = 0;
	bool ended = false;
	struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};

	ioctl(fd, SIOCINQ, &inq);
	poll(&pfd, 1, 0);
	ended = pfd.revents & (POLLRDHUP | POLLHUP);
	while (!stream || off < (size_t)inq) {
		k = peek_at(fd, stream, off, stream ? (size_t)inq - off : 4096, &p);
		if (k <= 0)
			break;
		if (p.has_rights) {
			*ret_flaw = SOCKET_QUEUE_RIGHTS;
			break;
		}
		/* The end of a closed SOCK_SEQPACKET connection looks like an empty message. */
		if (!p.len && (stream || ended))
			break;
		k = queue_add(q, s, &p);
		if (k < 0)
			break;
		off += p.len;
	}
	if (k >= 0 && stream && off < (size_t)inq && *ret_flaw == SOCKET_QUEUE_WHOLE)
		*ret_flaw = SOCKET_QUEUE_URGENT;
	free(p.data);
	return k < 0 ? k : 0;
}

int socket_queue_save(struct save *s, const struct saved_file *f, bool stream,
		      const ProtobufCBinaryData *tail, enum socket_queue_flaw *ret_flaw,
		      struct pidspace_error *err)
{
	int before = socket_get(f->local, SOL_SOCKET, SO_PEEK_OFF, -1);
	SocketQueue *q = malloc(sizeof *q);
	int k;

	if (!q)
		return error_sys(err, -ENOMEM, "cannot read a socket's queue");
	*q = (SocketQueue)SOCKET_QUEUE__INIT;
	q->file = f->id;
	*ret_flaw = SOCKET_QUEUE_WHOLE;
	k = collect(s, f->local, stream, q, ret_flaw);
	if (k == 0 && tail && tail->len)
		k = queue_add(q, s, &(struct peeked){.data = (char *)tail->data, .len = tail->len});
	socket_set(f->local, SOL_SOCKET, SO_PEEK_OFF, before);
	if (k < 0)
		error_sys(err, k, "cannot read the queue of socket %s of %d", f->link, f->holder.n);
	else if (q->n_message && *ret_flaw == SOCKET_QUEUE_WHOLE)
		k = message_save(s, FRAME_SOCKET_QUEUE, &q->base, err);
	protobuf_c_message_free_unpacked(&q->base, NULL);
	return k;
}

/* --- restoring --- */

int socket_send_all(int fd, const void *data, size_t n)
{
	size_t done = 0;
	bool grown = false;

	while (done < n) {
		ssize_t k = send(fd, (const char *)data + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN && !grown) {
			socket_grow_send_buffer(fd, n - done);
			grown = true;
			continue;
		}
		if (k < 0)
			return -errno;
		done += (size_t)k;
	}
	return 0;
}

struct fill {
	int writer;
	SocketMessage *const *message;
	size_t n;
};

static int send_message(int fd, const SocketMessage *m, pid_t as)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))] = {0};
	struct iovec iov = {.iov_base = m->data.data, .iov_len = m->data.len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	struct ucred creds = {.pid = as, .uid = m->uid, .gid = m->gid};
	bool grown = false;

	if (m->creds) {
		h.msg_control = control;
		h.msg_controllen = sizeof control;
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS,
				      .cmsg_len = CMSG_LEN(sizeof creds)};
		memcpy(CMSG_DATA(c), &creds, sizeof creds);
	}
	for (;;) {
		ssize_t k = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k == (ssize_t)iov.iov_len)
			return 0;
		if (k >= 0) { /* a stream took part of it */
			iov.iov_base = (char *)iov.iov_base + k;
			iov.iov_len -= (size_t)k;
		} else if (errno == EPERM && h.msg_control) {
			h.msg_control = NULL; /* somebody else's uid: keep the data */
			h.msg_controllen = 0;
		} else if (errno == EAGAIN && !grown) {
			socket_grow_send_buffer(fd, iov.iov_len);
			grown = true;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

static int send_run(void *arg, int *ret_fds)
{
	const struct fill *f = arg;

	for (size_t i = 0; i < f->n; i++) {
		int k = send_message(f->writer, f->message[i], getpid());
		if (k < 0)
			return k;
	}
	return 0;
}

/* Messages [from, to) have one sender. */
static int fill_run(struct restore *r, const SocketQueue *q, size_t from, size_t to, int writer)
{
	struct fill f = {.writer = writer, .message = q->message + from, .n = to - from};
	const SocketMessage *first = q->message[from];

	if (first->creds && first->pid) {
		int k = socket_as_pid(r, vpid_of(first->pid), send_run, &f, NULL, 0);
		if (k != -EEXIST && k != -ENOSYS)
			return k;
	}
	return send_run(&f, NULL);
}

int socket_queue_fill(struct restore *r, uint32_t id, int writer, struct pidspace_error *err)
{
	size_t len, from = 0;
	const void *body = restore_frame(r, FRAME_SOCKET_QUEUE, id, &len);
	_cleanup_message_ SocketQueue *q = NULL;
	int before = socket_get(writer, SOL_SOCKET, SO_SNDBUF, 0);
	int locked, k = 0;

	if (!body)
		return 0;
	q = message_unpack(&socket_queue__descriptor, body, len, "a socket's queue", err);
	if (!q)
		return -EBADMSG;
	locked = socket_get(writer, SOL_SOCKET, SO_BUF_LOCK, 0);
	for (size_t i = 1; i <= q->n_message && k == 0; i++) {
		if (i < q->n_message && q->message[i]->creds == q->message[from]->creds &&
		    q->message[i]->pid == q->message[from]->pid)
			continue;
		k = fill_run(r, q, from, i, writer);
		from = i;
	}
	if (socket_get(writer, SOL_SOCKET, SO_SNDBUF, 0) != before) {
		socket_set(writer, SOL_SOCKET, SO_SNDBUF, before / 2);
		socket_set(writer, SOL_SOCKET, SO_BUF_LOCK, locked);
	}
	if (k == -EAGAIN)
		return error_set(err, k, "E_SOCKET_FULL",
				 "unread data of a socket does not fit into this host's buffers: raise net.core.wmem_max and net.core.rmem_max");
	if (k < 0)
		return error_sys(err, k, "cannot put back unread data of a socket");
	return 0;
}
