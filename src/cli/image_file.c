#include "image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

/* Takes over fd, an opened FILE.partial. What an interrupted command left there is overwritten: a container
 * ends only after its image has got its name. */
static int claim(struct image_file *f, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return cli_error("E_IMAGE_FILE", "'%s' is being written by another command", f->partial);
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

/* Of a directory that its user may write and not read the file brings along what there is (fsync(2)). */
static int sync_name(const struct image_file *f)
{
	char *copy = cli_strdup(f->path);
	int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fsync(dir < 0 && errno == EACCES ? f->fd : dir) < 0 ? -errno : 0;

	if (dir >= 0)
		close(dir);
	free(copy);
	/* Some file systems cannot do it, and keep directories safe by themselves (fsync(2)). */
	return r == -EINVAL ? 0 : r;
}

static int not_named(struct pidspace_error *err, const struct image_file *f, const char *what, int status)
{
	err->status = status;
	snprintf(err->code, sizeof err->code, "E_IMAGE_FILE");
	snprintf(err->message, sizeof err->message, "the image is complete but cannot be %s '%s': %s; the container runs "
		 "on", what, f->path, strerror(-status));
	return status;
}

int image_file_name(struct image_file *f, bool sync, struct pidspace_error *err)
{
	if (rename(f->partial, f->path) < 0)
		return not_named(err, f, "given its name", -errno);
	int r = sync ? sync_name(f) : 0;
	if (r < 0) {
		unlink(f->path);
		return not_named(err, f, "kept in the directory of", r);
	}
	f->named = true;
	return 0;
}

int image_file_finish(struct image_file *f)
{
	int status = 0;

	if (f->partial && !f->named)
		unlink(f->partial);
	/* A full disk may tell only now, when nothing was synced before (close(2), NFS). */
	if (f->fd > 2 && close(f->fd) < 0 && (f->named || !f->partial))
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
