#pragma once
/* Regular files that have a name. Also for files that are mapped, not open. */
#include "checkpoint/context.h"
#include "regular.pb-c.h"

/* Fills *ret (path borrowed from link) for the file with these attributes. 0, or -ENOTSUP after a refusal:
 * the name now is another file's (E_FILE_NAME). f, for refusals, may be NULL. */
int regular_describe(struct save *s, const struct saved_file *f, const char *link,
		     const struct stat *st, int fd, RegularFile *ret);

/* Compares the file as it is now with what the image says and complains through restore_refuse() by
 * r->policy: E_FILE_MISSING, E_FILE_CHANGED. flags: the description's, O_RDONLY for a mapping. */
void regular_check(struct restore *r, const RegularFile *file, uint32_t flags);

/* Refuses (E_FILE_LOCK) when a process of the container holds a lock or lease on the file; true then. */
bool regular_refuse_locks(struct save *s, const struct saved_file *f);
