#include "image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(const char *what, const char *path)
{
	return cli_error("E_IMAGE_FILE", "cannot %s '%s': %s", what, path, strerror(errno));
}

static bool is_whole(int fd)
{
	struct pidspace_image *image = NULL;
	bool whole = pidspace_image_open(&image, fd, true, NULL) >= 0;

	pidspace_image_close(image);
	return whole;
}

/* Takes over fd, an opened FILE.partial. What an interrupted command left there is overwritten,
 * unless it is a complete image: then it may be all that is left of a container. */
static int claim(struct image_file *f, int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return cli_error("E_IMAGE_FILE", "'%s' is being written by another command", f->partial);
	}
	if (fstat(fd, &st) == 0 && st.st_size > 0 && is_whole(fd)) {
		close(fd);
		return cli_error("E_IMAGE_FILE", "'%s' is the complete image of an interrupted "
				 "checkpoint: rename or remove it first", f->partial);
	}
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return cannot("empty", f->partial);
	}
	f->fd = fd;
	return 0;
}

int image_file_create(struct image_file *ret, const char *path)
{
	struct image_file f = {.fd = -1};
	struct stat st;
	int fd, status;

	if (!strcmp(path, "-")) {
		if (isatty(1))
			return cli_error("E_TERMINAL", "an image is binary and stdout is a "
					 "terminal: redirect it, or name a file");
		*ret = (struct image_file){.fd = 1};
		return 0;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		f.fd = open(path, O_WRONLY | O_CLOEXEC);
		if (f.fd < 0)
			return cannot("write", path);
		*ret = f;
		return 0;
	}
	f.partial = cli_printf("%s.partial", path);
	/* 0600: an image holds all memory of the container, secrets included. */
	fd = open(f.partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	status = fd < 0 ? cannot("create", f.partial) : claim(&f, fd);
	if (status) {
		free(f.partial);
		return status;
	}
	f.path = cli_strdup(path);
	*ret = f;
	return 0;
}

int image_file_finish(struct image_file *f, bool keep)
{
	int status = 0;

	if (f->partial && !keep)
		unlink(f->partial);
	else if (f->partial && rename(f->partial, f->path) < 0)
		status = cli_error("E_IMAGE_FILE", "the image is complete in '%s' but cannot be "
				   "renamed to '%s': %s", f->partial, f->path, strerror(errno));
	/* A full disk may tell only now (close(2), NFS). */
	if (f->fd > 2 && close(f->fd) < 0 && keep && !status)
		status = cannot("write", f->path ? f->path : "the image");
	free(f->partial);
	free(f->path);
	*f = (struct image_file){.fd = -1};
	return status;
}

int image_file_open(const char *path)
{
	int fd;

	if (!strcmp(path, "-"))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		cannot("open", path);
	return fd;
}
