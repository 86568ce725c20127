#pragma once
/* Unread data of AF_UNIX and TCP sockets, read without consuming it and written ahead again. */
#include "checkpoint/context.h"
#include "socket.pb-c.h"

enum socket_queue_flaw {
	SOCKET_QUEUE_WHOLE,
	SOCKET_QUEUE_RIGHTS, /* descriptors are in flight in it */
	SOCKET_QUEUE_URGENT, /* peeking ends before the data does */
};

/* Reads what socket f->local has received, oldest first, and writes it as a frame (none when the
 * queue is empty). stream: boundaries mean nothing. Peeks through SO_PEEK_OFF, which is put back.
 * tail (may be NULL) is what is still on its way to it, and follows.
 * *ret_flaw says why it cannot be carried; then nothing was written. -errno. */
int socket_queue_save(struct save *s, const struct saved_file *f, bool stream,
		      const ProtobufCBinaryData *tail, enum socket_queue_flaw *ret_flaw,
		      struct pidspace_error *err);

/* Sends the content saved for description id through writer, the other end. -EAGAIN E_SOCKET_FULL
 * when it does not fit into this host's buffers. */
int socket_queue_fill(struct restore *r, uint32_t id, int writer, struct pidspace_error *err);

/* Sends all of data without blocking, growing the send buffer as far as it may. -errno. */
int socket_send_all(int fd, const void *data, size_t n);
