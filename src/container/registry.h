#pragma once
/* Where containers are kept: one directory per container below the state directory.
 *
 *   NAME/state.json    struct record, replaced atomically (rename(2))
 *   NAME/control.sock  the monitor listens here (control.h); refused connections mean that it is dead
 *   NAME/log           output of a detached container
 *
 * An entry can be *starting* (no state.json yet: NAME is taken, its creator holds a lock on the
 * directory), *running*, or *stopped* (the exit status is kept until delete, unless run with
 * remove). What state.json says is never believed alone: entry_open() checks that init still lives
 * and is the one meant (a pidfd, its start time and its PID namespace's inode). */
#include <sys/types.h>

#include <pidspace/pidspace.h>

#include "container/pids.h"

struct pidspace {
	char *dir;  /* absolute path of the state directory */
	int dir_fd; /* O_DIRECTORY */
};

/* What state.json holds. Strings are malloc'd, NULL: none. */
struct record {
	char name[256], id[40];
	enum pidspace_state state;
	enum pidspace_pids pids;
	struct hpid init;        /* host number of vpid 1; valid while running */
	uint64_t init_start;     /* field 22 of /proc/PID/stat, clock ticks after boot */
	uint64_t pidns_ino;
	struct hpid warden;      /* of virtual pids (virtual/warden.h); 0 */
	int64_t created_ns;      /* CLOCK_REALTIME */
	int exit_status;         /* wait status once stopped; -1: nobody saw it */
	bool detached, terminal, remove, init_wrapper, user_namespace, map_root;
	struct hpid page_server; /* of a lazy restore; 0: none. It may have done its work long ago */
	uint64_t page_server_start;
	char *reason;            /* why it was killed by us */
	pid_t pid_max;
	char *rootfs, *hostname;
	char **command;          /* NULL-terminated */
};
void record_done(struct record *r);
/* state.json in dir_fd. -ENOENT; -EBADMSG: not ours to understand. Saving replaces it atomically. */
int record_load(struct record *ret, int dir_fd);
int record_save(const struct record *r, int dir_fd);

struct entry {
	struct pidspace *registry; /* borrowed */
	int dir_fd;                /* of NAME */
	struct record record;
};

/* Opens the entry of a container, checked as described above. A container whose init is gone
 * reads as stopped. -ENOENT E_NO_CONTAINER, -EINVAL E_NAME, -EAGAIN E_STARTING. */
int entry_open(struct pidspace *p, const char *name, struct entry **ret, struct pidspace_error *err);
void entry_free(struct entry *e); /* NULL is fine; the container is untouched */

/* All entries, sorted by name, NULL-terminated. Those that vanish or are starting are left out. */
int entry_list(struct pidspace *p, struct entry ***ret, size_t *ret_n, struct pidspace_error *err);
void entry_list_free(struct entry **list);

/* Reaches the container's pids for reading and translation (space_adopt(), virtual_attach(), checked against the
 * record). pids_done() releases them. -ESRCH E_STOPPED. */
int entry_pids(struct entry *e, struct pids *ret, struct pidspace_error *err);

/* The same without what reading needs, for translation and signals: cheaper. */
int entry_attach(struct entry *e, struct pids *ret, struct pidspace_error *err);

/* Whether a monitor answers; its host pid, or 0. */
pid_t entry_monitor(struct entry *e);

/* --- for the monitor's side --- */

/* Takes the name: makes NAME/ locked, without state.json. A dead leftover of a container that was run
 * with remove, or of a creator that died, gives way. -EEXIST E_NAME_IN_USE, -EINVAL E_NAME. */
int entry_create(struct pidspace *p, const char *name, struct entry **ret, struct pidspace_error *err);

/* Becomes the one that may be monitor of an existing container (the lock that entry_create() takes).
 * -EWOULDBLOCK: another one is. It is given back when dir_fd and its copies are closed. */
int entry_lock(struct entry *e);

/* Fills init, init_start, pidns_ino and warden for a container that has just come to life. */
int entry_identify(struct entry *e, struct hpid init, struct hpid warden, struct pidspace_error *err);

/* Remembers who brings the memory of a lazily restored container. -errno. */
int entry_note_page_server(struct entry *e, pid_t pid);

/* Its pidfd, the caller's; -ESRCH: all memory is there, or nobody will ever bring it. */
int entry_page_server(const struct entry *e);

/* Connects to the monitor. -ECONNREFUSED: none lives. The descriptor is the caller's. */
int entry_connect(struct entry *e);
/* The same with another socket of its directory. */
int entry_connect_to(struct entry *e, const char *name);

/* Writes the record. */
int entry_save(struct entry *e, struct pidspace_error *err);

/* Removes NAME/ with all it holds. */
int entry_remove(struct entry *e);
