#pragma once
/* Images as files on the command line. */
#include "cli.h"

/* An image being written. It grows as FILE.partial beside FILE and gets its name when it is complete, so
 * what bears the name is always whole; only then the container ends. */
struct image_file {
	int fd;
	char *path, *partial; /* partial NULL: a pipe or device, written directly */
	bool named;           /* and perhaps all that is left: not to be removed any more */
};

/* path "-" is stdout, refused when that is a terminal. Returns 0 or, after a message, an exit status. */
int image_file_create(struct image_file *ret, const char *path);

/* Gives it its name, for good if sync (the directory is on its disk). -errno: it is gone. */
int image_file_name(struct image_file *f, bool sync, struct pidspace_error *err);

/* Closes it; what has not got its name is removed. Returns 0 or an exit status: what was written may be lost. */
int image_file_finish(struct image_file *f);

/* A descriptor to read an image from ("-": stdin), or -1 after a message. */
int image_file_open(const char *path);
