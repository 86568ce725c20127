#pragma once
/* Files of a file system that only the container has (its /dev/shm): they are part of the image. */
#include "checkpoint/context.h"

/* Saves everything below path (absolute, as the container sees it), path itself included (its mode).
 * Bytes go to kinds/content.h. */
int tree_file_save_all(struct save *s, const char *path, struct pidspace_error *err);

/* Makes one file again from the body of its FRAME_TREE_FILE; before any kind's make(). What is there
 * already keeps its place and gets attributes only. */
int tree_file_restore(struct restore *r, const void *body, size_t len, struct pidspace_error *err);

/* Is this path in such a file system? */
bool tree_file_holds(const struct save *s, const char *path);
