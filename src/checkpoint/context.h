#pragma once
/* What a save and a restore carry along: the contexts that kinds/ see. The engine's own state hangs
 * off them as opaque pointers. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/vec.h"
#include "ids/ids.h"
#include "space/space.h"

/* Something from outside the container that a process inside holds (stdio of the monitor, a pipe
 * named with --external): matched by identity when saving, replaced when restoring. */
struct external {
	char name[4096]; /* "stdin" "stdout" "stderr" "log" "console", or the user's KEY, maybe a path */
	dev_t dev;      /* identity while saving (of the pipe, file or terminal) */
	ino_t ino;
	int fd;         /* while restoring: what stands in for it, borrowed; -1: none given */
	bool is_stdio;
};

/* One thing that cannot be carried: a row of `check`. */
struct refusal {
	struct vpid pid;   /* the task, 0: the container as a whole */
	int fd;            /* the descriptor, -1: none */
	uint64_t address;  /* of a mapping, 0: none */
	char code[32];     /* E_... */
	char what[256];    /* the object */
	char why[256];
	char advice[256];
};

/* One open file description met while collecting. */
struct saved_file {
	uint32_t id;            /* 1.. in the image */
	struct vpid holder;     /* a process that has it */
	struct hpid holder_host;
	int fd;                 /* its number there */
	int local;              /* our duplicate */
	struct stat st;         /* fstat of local */
	char link[4200];        /* readlink /proc/PID/fd/N in the container's procfs */
	char *info;             /* text of /proc/PID/fdinfo/N, NUL-terminated; pids in it are vpids */
	uint32_t flags;         /* open flags as fdinfo has them, without O_CLOEXEC */
	int64_t pos;
	int mnt_id;
};

/* An object shared by several descriptions (both ends of a pipe): id found by identity. */
struct saved_object {
	uint32_t kind;          /* fd_kind id, or any number private to a kind */
	dev_t dev;
	ino_t ino;
	uint32_t id;
};

/* Bytes of a file that only the container has, to be written with the memory (kinds/content.h). */
struct saved_content {
	uint32_t id;            /* of the object */
	int fd;                 /* ours, readable */
	uint64_t size;          /* bytes */
};

/* A metadata frame kept in memory. */
struct kept_frame {
	uint16_t type;
	uint32_t id;
	void *body; /* malloc'd */
	size_t len;
};

struct image_writer;
struct save_engine;

struct save {
	const struct space *space;
	struct image_writer *out;     /* NULL while only checking */
	VEC(struct refusal) refusals;
	VEC(struct saved_object) objects;
	VEC(struct saved_file) files; /* all descriptions, complete before any kind's save() runs */
	const struct external *externals;
	size_t n_externals;
	bool leave_running;           /* the tree goes on after the save: consume nothing */
	VEC(char *) locks;            /* each lock in the tree, as fdinfo tells it after "lock:\t" */
	int root_fd;                  /* the container's / (O_PATH): open paths below it */
	VEC(struct saved_content) contents;
	bool hold;                    /* frames wait in held until nothing can refuse any more */
	VEC(struct kept_frame) held;
	struct save_engine *engine;
};

/* Closes and frees what save_* and the kinds put into s (not what the engine did: locals, infos). */
void save_done(struct save *s);

/* The id of object (kind, dev, ino) in this image; *ret_new says it was met for the first time. Ids
 * are unique over all kinds of object. 0: no memory. */
uint32_t save_object_id(struct save *s, uint32_t kind, dev_t dev, ino_t ino, bool *ret_new);

/* Adds a row for description f (f may be NULL). Formats what; never fails. */
void save_refuse(struct save *s, const struct saved_file *f, const char *code, const char *why,
		 const char *advice, const char *what_fmt, ...) __attribute__((format(printf, 6, 7)));

/* The id of the description that process pid's descriptor fd refers to, or 0. kcmp(2) KCMP_EPOLL_TFD
 * users: see kinds/epoll.c. */
uint32_t save_file_id(const struct save *s, struct vpid pid, int fd);

/* The external with this identity, or NULL. */
const struct external *save_external(const struct save *s, dev_t dev, ino_t ino);

/* The description with this id, or NULL. */
struct saved_file *save_file(const struct save *s, uint32_t id);

/* Does path, as the container sees it, name the very file st is of? Its descriptor (O_PATH), -ESTALE:
 * something else has that name, or another -errno. */
int save_open_same(const struct save *s, const char *path, const struct stat *st);

/* Writes a metadata frame of the kind's own (content of a pipe, of a deleted file): type is from
 * image/frame.h, body a packed message. When s->out is NULL (check) does nothing. -errno. */
int save_frame(struct save *s, uint32_t type, const void *body, size_t len, struct pidspace_error *err);
/* Ends holding: writes what was held, in order. */
int save_write_held(struct save *s, struct pidspace_error *err);

enum file_policy { FILES_STRICT, FILES_TRUNCATE, FILES_IGNORE };

struct made_file {
	uint32_t id;
	int fd; /* ours; -1 for late ones */
};

/* State that descriptions of one object share while restoring; fds are closed by the engine. */
struct made_object {
	uint32_t kind, id;
	int fd[2];
	void *data; /* freed with free() */
};

/* A file whose bytes arrive with the memory, and what is set once they all are there. */
struct placed_content {
	uint32_t id;
	int fd;                 /* ours, writable */
	uint32_t seals;         /* F_ADD_SEALS; 0: none */
	bool set_mode;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t mtime_ns;       /* CLOCK_REALTIME; 0: as it comes */
};

struct restore_engine;

struct restore {
	const struct space *space;
	VEC(struct refusal) refusals;
	VEC(struct made_file) files;
	VEC(struct made_object) objects;
	struct external *externals;
	size_t n_externals;
	enum file_policy policy;
	int root_fd;            /* the new container's / (O_PATH) */
	bool privileged;        /* we have CAP_SYS_ADMIN in the first user namespace */
	VEC(struct kept_frame) frames;
	VEC(struct placed_content) contents;
	struct restore_engine *engine;
};

/* Closes and frees what restore_* and the kinds put into r: objects, frames, contents, and the
 * descriptors of files that the engine has not taken. */
void restore_done(struct restore *r);

/* The object's slot, made empty (fds -1) at first use. The pointer holds until the next call. */
struct made_object *restore_object(struct restore *r, uint32_t kind, uint32_t id);

/* Our descriptor for description id, or -1. */
int restore_file_fd(const struct restore *r, uint32_t id);

/* The packed body of the frame of this type whose first field (an id) is id, or NULL. Kept by the engine. */
const void *restore_frame(const struct restore *r, uint32_t type, uint32_t id, size_t *ret_len);

/* Keeps a copy of a frame for restore_frame(); its id is read from the message's first field. -ENOMEM,
 * -EBADMSG. */
int restore_keep_frame(struct restore *r, uint32_t type, const void *body, size_t len);

struct external *restore_external(struct restore *r, const char *name);

void restore_refuse(struct restore *r, const char *code, const char *why, const char *advice,
		    const char *what_fmt, ...) __attribute__((format(printf, 5, 6)));

/* Opens a path as the container sees it (openat2 below root_fd). -errno. */
int restore_open(const struct restore *r, const char *path, int flags, mode_t mode);

/* The same for init, which cannot be doubled: an unnamed pair of sockets made by it (socketpair(2)). */
int restore_init_socketpair(struct restore *r, int type, int ret_fds[2]);

/* Runs fn(arg) in a short-lived process inside the container's PID namespace whose vpid is pid, with
 * a copy of our descriptors; descriptors that it puts into ret_fds (at most n) come back to us. For
 * objects that remember their maker (SO_PEERCRED). The number is free again afterwards.
 * -EEXIST: the number is in use. */
int restore_as_pid(struct restore *r, struct vpid pid, int (*fn)(void *arg, int *ret_fds), void *arg,
		   int *ret_fds, size_t n, struct pidspace_error *err);
