#pragma once
/* The monitor: one per container, outside its PID space; in the foreground it is the process that
 * called pidspace_run(), else a process of its own. One thread, one poll loop; whatever the engine
 * does happens in it, because a ptracer is a thread. */
#include "checkpoint/checkpoint.h"
#include "container/control.h"
#include "container/registry.h"
#include "container/session.h"
#include "migrate/page_server.h"
#include "virtual/pause.h"

/* A connection that waits for something. */
struct client {
	int fd;         /* -1: gone, to be forgotten */
	bool asked;     /* its request came: WAIT stays open until the end */
};

/* A further process started in the container on behalf of a client. */
struct further {
	struct task_ref ref;
	int client;     /* its connection; -1: detached or gone */
	int spawner;    /* the connection to its parent (spawner.h), which tells its end; -1: it is our child */
};

struct monitor {
	struct entry *entry;
	struct pids pids;
	bool init_is_child;   /* else adopted; of virtual pids: the warden is */
	bool foreground;
	struct signals signals;
	struct session session;
	int listen_fd;
	int log_fd;           /* of a detached container, or -1 */
	struct frozen *frozen; /* while paused */
	struct virtual_pause *held; /* the same, virtual pids */
	VEC(struct external) externals;
	VEC(struct client) clients;
	VEC(struct further) furthers;
	struct page_server pages; /* brings memory after a lazy restore */
	struct pidspace_error lost; /* status not 0: why the container was killed for want of memory */
	bool ended, checkpointed;
	int exit_status;      /* wait status once ended; -1: unknown */
};

void monitor_init(struct monitor *m, struct entry *e);

/* Makes control.sock and takes the signals over. */
int monitor_open(struct monitor *m, struct pidspace_error *err);

/* Opens (append) or creates the log. */
int monitor_open_log(struct monitor *m, struct pidspace_error *err);

/* Remembers fd's identity as the external `name`. */
int monitor_add_external(struct monitor *m, const char *name, int fd);

/* After a restore: processes without a parent inside (started by exec before) are our children now
 * and wait for us to reap them, or the namespace could never end. */
int monitor_find_furthers(struct monitor *m);

/* Waits until all memory is there, or the container has ended: what reads memory comes after that. */
void monitor_await_memory(struct monitor *m);

/* Runs until the container has ended or was checkpointed away, then settles the entry: removed, or
 * stopped with its status. Everything is closed afterwards but the entry, which stays the caller's. */
void monitor_run(struct monitor *m);

/* While paused everything of the container is held by us; letting go ends that. */
bool monitor_is_paused(const struct monitor *m);
void monitor_let_go(struct monitor *m);

/* Undoes a start that failed: kills what runs, removes the entry, closes everything. */
void monitor_abandon(struct monitor *m);

/* --- requests.c --- */

/* Serves one request that arrived on client c (its fd may be set to -1). */
void monitor_serve(struct monitor *m, struct client *c);
