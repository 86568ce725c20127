#pragma once
/* Kinds of open file descriptions (OFDs): what a descriptor can refer to, one file each in kinds/.
 *
 * An OFD is saved once however many descriptors, in however many tasks, refer to it; the engine
 * (checkpoint/) finds the sharing and owns descriptor tables. A kind only knows how to turn one
 * OFD into a protobuf body and back.
 *
 * Saving: the tree is stopped. f->local is our own duplicate of the description (pidfd_getfd), so
 * most state is read with ordinary system calls on it: never change the description's state through
 * it (no seek, no consuming read, no O_NONBLOCK change). A kind refuses what it cannot carry by
 * save_refuse(), which collects and goes on, so that one check lists everything.
 *
 * Restoring: make() runs in the restorer, before any task of the tree exists, in file id order, and
 * returns a new descriptor of ours (O_CLOEXEC) for the description with the same flags and position;
 * the engine hands it to the tasks. Things that belong together (the two ends of a pipe) find each
 * other in r->objects by the object's id. connect() runs for every OFD after all were made
 * (content of pipes and sockets, epoll targets). late() runs in tasks, once the tree stands. */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/vec.h"
#include "checkpoint/context.h"
#include "open_file.pb-c.h"

/* Ids as they stand in images: for ever, never reused. 20 to 39 are sockets and terminals. */
enum fd_kind_id {
	KIND_REGULAR = 1,
	KIND_DELETED = 2,
	KIND_DIRECTORY = 3,
	KIND_DEVICE = 4,
	KIND_OPATH = 5,
	KIND_PROCFS = 6,
	KIND_PIPE = 7,
	KIND_FIFO = 8,
	KIND_EVENTFD = 9,
	KIND_TIMERFD = 10,
	KIND_EPOLL = 11,
	KIND_MEMFD = 12,
	KIND_SIGNALFD = 13,
	KIND_PROC_PID = 14,
	KIND_EXTERNAL = 20,
	KIND_UNIX_SOCKET = 21,
	KIND_TCP = 22,
	KIND_UDP = 23,
	KIND_TERMINAL = 24,
	KIND_TTY = 25,
	KIND_REFUSED = 1000, /* never in an image */

	/* Objects that are no descriptions, in the same number space (save_object_id). */
	OBJECT_SHARED_MEMORY = 1001,
	OBJECT_DELETED_FILE = 1002,
	OBJECT_TREE_FILE = 1003,
	OBJECT_SPARE_TERMINAL = 1020,
	OBJECT_TCP_LISTENER = 1021,
	OBJECT_EXTERNAL = 1022,
};

struct fd_kind {
	const char *name; /* as `check` and `inspect` print it */
	uint32_t id;      /* enum fd_kind_id */

	/* Is this description of this kind? Decides from f->link, f->st and f->info alone. */
	bool (*claims)(const struct save *s, const struct saved_file *f);

	/* Fills *ret_body with a malloc'd packed message of the kind's own .proto (the engine frees it).
	 * Returns 0, or -errno with err when the checkpoint cannot go on at all. */
	int (*save)(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
		    struct pidspace_error *err);

	/* Makes the description. Returns the descriptor, or -errno. */
	int (*make)(struct restore *r, const OpenFile *f, struct pidspace_error *err);

	/* Optional: what needs other descriptions; fd is what make() returned. */
	int (*connect)(struct restore *r, const OpenFile *f, int fd, struct pidspace_error *err);

	/* Optional: the description can only be opened by a task of the tree itself (/dev/tty). make()
	 * is not called then; the engine calls this for each task holding it, with the tree built,
	 * before descriptors get their numbers; fills a path and flags that the task opens. */
	int (*late_open)(struct restore *r, const OpenFile *f, const char **ret_path, int *ret_flags);

	/* Optional: called for each description right before the tree is killed, when the image is whole. */
	/* Optional: the tree is about to be killed because its image is complete. For what would stay
	 * behind in the kernel otherwise (TIME_WAIT). May change f->local's state; must not fail. */
	void (*before_kill)(struct save *s, const struct saved_file *f);

	/* Optional: restore-time check without side effects, all complaints through restore_refuse(). */
	int (*precheck)(struct restore *r, const OpenFile *f, struct pidspace_error *err);

	/* Optional: the message in OpenFile.body, so that `inspect` can show it; else it is shown as bytes. */
	const ProtobufCMessageDescriptor *body;
};

/* All kinds, NULL at the end; the first that claims wins. The last claims everything and refuses. */
extern const struct fd_kind *const fd_kinds[];
const struct fd_kind *fd_kind_by_id(uint32_t id);
/* The first kind that claims f; never NULL. */
const struct fd_kind *fd_kind_of(const struct save *s, const struct saved_file *f);
