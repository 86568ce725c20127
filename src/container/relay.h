#pragma once
/* Bytes from one descriptor to another, for stdio that passes a monitor: any number of channels,
 * driven by the owner's poll loop. A channel whose source ends closes its destination once all is
 * written (half-close); one whose reader went away closes its source, so that the writer notices. */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"

struct channel {
	int from, to;      /* -1: that side has ended */
	bool to_nonblock;  /* may be written to in any size */
	bool to_socket;
	bool in;           /* towards the container */
	char *buf;
	size_t at, len;
};

struct relay {
	VEC(struct channel) channels;
};

enum relay_direction { RELAY_IN, RELAY_OUT };

/* Adds a channel; takes both descriptors over. The container's side is ours alone and made
 * non-blocking. The user's description is shared with strangers and never changed: a pipe or
 * terminal is opened anew for that. -ENOMEM. */
int relay_add(struct relay *r, int from, int to, enum relay_direction d);

/* Appends what to wait for to p (room for 2 a channel) and handles what came. */
size_t relay_poll(const struct relay *r, struct pollfd *p);
void relay_handle(struct relay *r, const struct pollfd *p, size_t n);

/* After the container's end: passes on what it left in its outward channels. Blocks as long as the
 * readers make it. */
void relay_drain(struct relay *r);
void relay_done(struct relay *r);
