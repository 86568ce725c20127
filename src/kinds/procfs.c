/* Files of the container's own /proc. What names no process is opened again by path; what lies below
 * /proc/PID is opened by a task of the tree once the tree stands, for only then PID is that process. */
#include "kinds/kinds.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "path_file.pb-c.h"

/* N of "/proc/N..." , 0 when the path names no process. */
static pid_t pid_of(const char *path)
{
	const char *p = path + strlen("/proc/");
	char *end;

	if (strncmp(path, "/proc/", strlen("/proc/")) || !isdigit((unsigned char)*p))
		return 0;
	long n = strtol(p, &end, 10);
	return *end && *end != '/' ? 0 : (pid_t)n;
}

static bool procfs_claims(const struct save *s, const struct saved_file *f)
{
	return description_fs(f->local) == PROC_SUPER_MAGIC && !pid_of(f->link);
}

static bool procpid_claims(const struct save *s, const struct saved_file *f)
{
	return description_fs(f->local) == PROC_SUPER_MAGIC && pid_of(f->link);
}

static bool is_own_proc(const struct save *s, const struct stat *st)
{
	struct stat proc;

	return fstatat(s->root_fd, "proc", &proc, 0) == 0 && proc.st_dev == st->st_dev;
}

static int procfs_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		       struct pidspace_error *err)
{
	PathFile m = PATH_FILE__INIT;
	_cleanup_close_ int same = save_open_same(s, f->link, &f->st);

	m.pid = pid_of(f->link);
	/* A file below /proc/PID may have got a new inode since, so its file system has to do. */
	bool ours = same >= 0 || (same == -ESTALE && m.pid && is_own_proc(s, &f->st));
	if (!ours) {
		bool gone = strstr(f->link, " (deleted)");
		save_refuse(s, f, "E_PROC_FILE",
			    gone ? "the process it tells of has gone" : "it is not of the container's own /proc",
			    "close it before the checkpoint", "the file %.200s", f->link);
		return 0;
	}
	m.path = f->link;
	m.mode = f->st.st_mode;
	return message_pack(&m.base, ret_body, err);
}

static PathFile *unpack(const OpenFile *f, struct pidspace_error *err)
{
	return message_unpack(&path_file__descriptor, f->body.data, f->body.len, "a file of /proc", err);
}

static int procfs_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ PathFile *m = unpack(f, err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = description_open(r, m->path, f->flags);
	if (fd < 0)
		return error_set(err, fd, "E_FILE_OPEN",
				 "cannot open %s: %s; this kernel does not have it, or not for us", m->path,
				 strerror(-fd));
	if (f->pos && lseek(fd, f->pos, SEEK_SET) < 0)
		lseek(fd, 0, SEEK_SET);
	return fd_take(&fd);
}

static int procpid_late_open(struct restore *r, const OpenFile *f, const char **ret_path, int *ret_flags)
{
	_cleanup_message_ PathFile *m = unpack(f, NULL);

	if (!m)
		return -EBADMSG;
	struct made_object *o = restore_object(r, KIND_PROC_PID, f->id);
	if (!o)
		return -ENOMEM;
	free(o->data);
	o->data = strdup(m->path);
	if (!o->data)
		return -ENOMEM;
	*ret_path = o->data;
	*ret_flags = (int)f->flags & ~(DESCRIPTION_OPEN_ONLY | O_ASYNC);
	return 0;
}

const struct fd_kind procfs_kind = {
	.name = "proc file",
	.id = KIND_PROCFS,
	.claims = procfs_claims,
	.save = procfs_save,
	.make = procfs_make,
	.body = &path_file__descriptor,
};

const struct fd_kind procpid_kind = {
	.name = "proc file of a process",
	.id = KIND_PROC_PID,
	.claims = procpid_claims,
	.save = procfs_save,
	.late_open = procpid_late_open,
	.body = &path_file__descriptor,
};
