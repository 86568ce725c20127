#pragma once
/* Unlinked files that are still open or mapped: saved once per inode, with their content. */
#include "checkpoint/context.h"

/* Saves the file behind fd (ours, borrowed; O_PATH will do when it can be reopened) once, and returns
 * its id in *ret_id. f, for refusals, may be NULL; link is its name as /proc shows it, " (deleted)"
 * included. -ENOTSUP after a refusal: only another name of it is left (E_FILE_NAME), it cannot be
 * read (E_FILE_UNREADABLE). */
int deleted_save(struct save *s, const struct saved_file *f, int fd, const char *link,
		 uint32_t *ret_id, struct pidspace_error *err);

/* A new description (flags of open(2)) of the unlinked file, the caller's; made at first use, in the
 * directory it was in if possible. No name is left behind. */
int deleted_open(struct restore *r, uint32_t id, uint32_t flags, struct pidspace_error *err);

/* Does a file with this link and these attributes belong here? */
bool deleted_is(const struct save *s, const char *link, const struct stat *st);
