#pragma once
/* What saving a TCP and a UDP socket have in common: the message, its options, packing. */
#include "kinds/fd_kind.h"
#include "socket.pb-c.h"

/* Fills *ret_body for f: family, type (SOCK_STREAM or SOCK_DGRAM) and options, then what state() adds of the kind's
 * own. state returns 0, or -errno with err. */
int inet_save(struct save *s, struct saved_file *f, int type,
	      int (*state)(struct save *s, struct saved_file *f, InetSocket *u, struct pidspace_error *err),
	      ProtobufCBinaryData *ret_body, struct pidspace_error *err);
