#pragma once
/* What pipes and fifos have in common: a buffer that two kinds of ends share. */
#include "checkpoint/context.h"
#include "pipe.pb-c.h"

/* Which ends of the pipe with f's inode processes of the container hold. */
struct pipe_ends {
	const struct saved_file *reader, *writer; /* any, or NULL */
	bool packets;                             /* a writer with O_DIRECT */
};
struct pipe_ends pipe_find_ends(const struct save *s, const struct saved_file *f);

/* Does somebody outside hold the end that nobody inside has? Then data would be lost on either side. */
bool pipe_is_outside(const struct pipe_ends *e, const struct saved_file *f);

/* Saves the pipe behind f once, unread content included (and left in it); *ret_id its id. */
int pipe_save_content(struct save *s, uint32_t kind, const struct saved_file *f, uint32_t *ret_id,
		      struct pidspace_error *err);

/* Puts the saved content of pipe id into the pipe behind fd (any end), once; later calls do nothing. */
int pipe_fill(struct restore *r, uint32_t kind, uint32_t id, int fd, struct pidspace_error *err);
