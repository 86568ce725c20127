#include "kinds/tree_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "image/frame.h"
#include "kinds/content.h"
#include "kinds/description.h"
#include "kinds/fd_kind.h"
#include "kinds/message.h"
#include "tree_file.pb-c.h"

/* Every container has its own; nothing else of its file tree is in the image. */
#define TREE "/dev/shm"
#define MAX_DEPTH 64

/* A container without its own (a root directory that has no dev/shm) shows ours, or none: that is not in
 * the image, and above all is not to be written to. */
static bool is_private(int root_fd)
{
	struct stat theirs, ours;

	if (fstatat(root_fd, TREE + 1, &theirs, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(theirs.st_mode))
		return false;
	return stat(TREE, &ours) < 0 || ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino;
}

bool tree_file_holds(const struct save *s, const char *path)
{
	return !strncmp(path, TREE "/", strlen(TREE "/")) && is_private(s->root_fd);
}

/* --- saving --- */

/* The first name met of each file, for the others to point at. */
struct first_name {
	ino_t ino;
	char *path;
};

struct walk {
	struct save *s;
	dev_t dev;
	VEC(struct first_name) names;
	char path[4096];
};

static int walk_dir(struct walk *w, int dir, int depth, struct pidspace_error *err);

static const char *other_name(struct walk *w, const struct stat *st)
{
	vec_each(n, &w->names) {
		if (n->ino == st->st_ino)
			return n->path;
	}
	struct first_name *n = st->st_nlink > 1 ? vec_push(&w->names) : NULL;
	if (n)
		*n = (struct first_name){st->st_ino, strdup(w->path)};
	return NULL;
}

static int save_content(struct walk *w, int at, const struct stat *st, TreeFile *m,
			struct pidspace_error *err)
{
	bool fresh;

	m->id = save_object_id(w->s, OBJECT_TREE_FILE, st->st_dev, st->st_ino, &fresh);
	m->size = (uint64_t)st->st_size;
	return m->id ? content_add(w->s, m->id, at, m->size, err)
		     : error_sys(err, -ENOMEM, "cannot save %s", w->path);
}

/* One file, at being an O_PATH descriptor of it and w->path its path. */
static int save_one(struct walk *w, int at, const struct stat *st, struct pidspace_error *err)
{
	TreeFile m = TREE_FILE__INIT;
	char target[4096] = "";
	int k = 0;

	/* A device cannot be here (nodev), and binding a socket again needs its name to be free. */
	if (S_ISSOCK(st->st_mode) || S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	m.path = w->path;
	m.mode = st->st_mode;
	m.uid = st->st_uid;
	m.gid = st->st_gid;
	m.mtime_ns = description_mtime_ns(st);
	m.target = target;
	const char *same = S_ISDIR(st->st_mode) ? NULL : other_name(w, st);
	if (same)
		m.same_as = (char *)same;
	else if (S_ISREG(st->st_mode))
		k = save_content(w, at, st, &m, err);
	else if (S_ISLNK(st->st_mode) && readlinkat(at, "", target, sizeof target - 1) < 0)
		k = error_sys(err, -errno, "cannot read the link %s", w->path);
	return k < 0 ? k : message_save(w->s, FRAME_TREE_FILE, &m.base, err);
}

static int save_child(struct walk *w, int dir, const char *name, int depth, struct pidspace_error *err)
{
	_cleanup_close_ int at = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), inner = -1;
	size_t len = strlen(w->path);
	struct stat st;
	int k;

	if (at < 0 || fstat(at, &st) < 0)
		return error_sys(err, -errno, "cannot look at %s/%s", w->path, name);
	if (len + strlen(name) + 2 > sizeof w->path || depth > MAX_DEPTH)
		return error_set(err, -ENAMETOOLONG, "E_TREE_FILE",
				 "%s/%s lies too deep to be saved: move it up", w->path, name);
	snprintf(w->path + len, sizeof w->path - len, "/%s", name);
	/* Another file system mounted in here is not the container's own. */
	k = st.st_dev == w->dev ? save_one(w, at, &st, err) : 0;
	if (k >= 0 && S_ISDIR(st.st_mode) && st.st_dev == w->dev) {
		inner = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		k = inner < 0 ? error_sys(err, -errno, "cannot list %s", w->path)
			      : walk_dir(w, fd_take(&inner), depth + 1, err);
	}
	w->path[len] = 0;
	return k;
}

/* Takes over dir. */
static int walk_dir(struct walk *w, int dir, int depth, struct pidspace_error *err)
{
	DIR *d = fdopendir(dir);
	int k = 0;

	if (!d) {
		close(dir);
		return error_sys(err, -ENOMEM, "cannot list %s", w->path);
	}
	for (struct dirent *e; !k && (e = readdir(d));) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			k = save_child(w, dirfd(d), e->d_name, depth, err);
	}
	closedir(d);
	return k;
}

int tree_file_save_all(struct save *s, const char *path, struct pidspace_error *err)
{
	_cleanup_free_ struct walk *w = NULL;
	_cleanup_close_ int root = -1, dir = -1;
	struct stat st;

	if (!s->out || !is_private(s->root_fd))
		return 0;
	root = openat(s->root_fd, path + strspn(path, "/"), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	w = calloc(1, sizeof *w);
	if (!w)
		return error_sys(err, -ENOMEM, "cannot save %s", path);
	if (root < 0 || fstat(root, &st) < 0)
		return error_sys(err, -errno, "cannot look at %s", path);
	dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_sys(err, -errno, "cannot list %s", path);
	w->s = s;
	w->dev = st.st_dev;
	snprintf(w->path, sizeof w->path, "%s", path);
	int k = save_one(w, root, &st, err);
	if (k >= 0)
		k = walk_dir(w, fd_take(&dir), 0, err);
	vec_each(n, &w->names)
		free(n->path);
	vec_free(&w->names);
	return k;
}

/* --- restoring --- */

/* Opens the directory a path is in; *ret_name points at its last part. Never through a link. */
static int open_parent(const struct restore *r, const char *path, const char **ret_name)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!slash || slash == dir)
		return -EINVAL;
	*slash = 0;
	*ret_name = path + (slash - dir) + 1;
	return restore_open(r, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
}

static int make_regular(struct restore *r, int dir, const char *name, const TreeFile *m,
			struct pidspace_error *err)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_sys(err, -errno, "cannot make %s", m->path);
	if (ftruncate(fd, (off_t)m->size) < 0)
		return error_sys(err, -errno, "cannot make %s %llu bytes large", m->path,
				 (unsigned long long)m->size);
	/* Owner and mode now, for make() opens it before the content is complete; our own descriptor
	 * can write whatever the mode. */
	if (fchown(fd, m->uid, m->gid) < 0 && errno != EPERM && errno != EINVAL)
		return error_sys(err, -errno, "cannot give %s its owner", m->path);
	if (fchmod(fd, m->mode & 07777) < 0)
		return error_sys(err, -errno, "cannot give %s its mode", m->path);
	/* The time too, for whoever compares it before the bytes have come. */
	futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT},
					  {m->mtime_ns / 1000000000, m->mtime_ns % 1000000000}});
	struct placed_content c = {.id = m->id, .fd = fd_take(&fd), .mtime_ns = m->mtime_ns,
				   .set_mode = true, .mode = m->mode, .uid = m->uid, .gid = m->gid};
	return content_expect(r, &c, err);
}

/* Its mode and time come last, when everything in it has been made. */
static int make_directory(struct restore *r, int dir, const char *name, const TreeFile *m,
			  struct pidspace_error *err)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return error_sys(err, -errno, "cannot make %s", m->path);
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, -errno, "cannot open %s", m->path);
	struct placed_content c = {.fd = fd, .mtime_ns = m->mtime_ns, .set_mode = true, .mode = m->mode,
				   .uid = m->uid, .gid = m->gid};
	return content_expect(r, &c, err);
}

/* A symbolic link or a fifo. */
static int make_special(int dir, const char *name, const TreeFile *m, struct pidspace_error *err)
{
	int k = 0;

	if (S_ISLNK(m->mode))
		k = symlinkat(m->target, dir, name);
	else if (S_ISFIFO(m->mode))
		k = mknodat(dir, name, S_IFIFO | 0600, 0);
	else
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "the image has a file %s of type 0%o",
				 m->path, m->mode & S_IFMT);
	if (k < 0)
		return error_sys(err, -errno, "cannot make %s", m->path);
	if (fchownat(dir, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM && errno != EINVAL)
		return error_sys(err, -errno, "cannot give %s its owner", m->path);
	if (!S_ISLNK(m->mode) && fchmodat(dir, name, m->mode & 07777, 0) < 0 && errno != EPERM)
		return error_sys(err, -errno, "cannot give %s its mode", m->path);
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT},
				{m->mtime_ns / 1000000000, m->mtime_ns % 1000000000}};
	utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int make_same(struct restore *r, int dir, const char *name, const TreeFile *m,
		     struct pidspace_error *err)
{
	const char *first;
	_cleanup_close_ int from = open_parent(r, m->same_as, &first);

	if (from < 0)
		return error_sys(err, from, "cannot link %s to %s", m->path, m->same_as);
	if (linkat(from, first, dir, name, 0) < 0)
		return error_sys(err, -errno, "cannot link %s to %s", m->path, m->same_as);
	return 0;
}

/* A hostile image shall not write elsewhere. */
static bool is_inside(const char *path)
{
	return (!strcmp(path, TREE) || !strncmp(path, TREE "/", strlen(TREE "/"))) &&
	       !strstr(path, "/../") && !strstr(path, "/./") && !strstr(path, "//") &&
	       (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/.."));
}

int tree_file_restore(struct restore *r, const void *body, size_t len, struct pidspace_error *err)
{
	_cleanup_message_ TreeFile *m =
		message_unpack(&tree_file__descriptor, body, len, "a file of " TREE, err);
	_cleanup_close_ int dir = -1;
	const char *name;

	if (!m)
		return -EBADMSG;
	if (!is_inside(m->path) || (m->same_as[0] && !is_inside(m->same_as)))
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT",
				 "the image has a file %.200s outside " TREE, m->path);
	if (!is_private(r->root_fd))
		return error_set(err, -ENOTSUP, "E_TREE_FILE",
				 "the image holds files of " TREE ", but the container got none of its own: "
				 "give its root directory a dev/shm");
	dir = open_parent(r, m->path, &name);
	if (dir < 0)
		return error_sys(err, dir, "cannot make %s", m->path);
	if (m->same_as[0])
		return make_same(r, dir, name, m, err);
	if (S_ISREG(m->mode))
		return make_regular(r, dir, name, m, err);
	if (S_ISDIR(m->mode))
		return make_directory(r, dir, name, m, err);
	return make_special(dir, name, m, err);
}
