#pragma once
/* Images as files on the command line. */
#include "cli.h"

/* An image being written. It grows as FILE.partial beside FILE and gets its name only when complete, so
 * what bears the name is always whole. It has a name from the start because the container ends before the
 * command does: if the command is killed in between, the complete image is there to be renamed. */
struct image_file {
	int fd;
	char *path, *partial; /* partial NULL: a pipe or device, written directly */
};

/* path "-" is stdout, refused when that is a terminal. Returns 0 or, after a message, an exit status. */
int image_file_create(struct image_file *ret, const char *path);

/* Gives it its name, or with keep false removes it. Returns 0 or an exit status. */
int image_file_finish(struct image_file *f, bool keep);

/* A descriptor to read an image from ("-": stdin), or -1 after a message. */
int image_file_open(const char *path);
