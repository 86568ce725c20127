#pragma once
/* The engine's front: freeze, save, restore. Runs in the container's monitor; the calling thread is
 * the tracer of everything it stops. */
#include "checkpoint/context.h"
#include "checkpoint/earlier.h"
#include "checkpoint/lazy.h"
#include "checkpoint/stats.h"
#include "image/image.h"

typedef void engine_progress_fn(void *arg, const struct engine_stats *st);

/* A stopped tree. */
struct frozen;

/* Stops every task of the container (ptrace SEIZE + INTERRUPT, all threads, until no new one shows
 * up). All or nothing: on failure the tree runs on. -ETIMEDOUT E_FREEZE, E_VFORK, E_TRACED. */
int freeze_tree(struct frozen **ret, const struct space *s, struct pidspace_error *err);
/* Lets it run on as if nothing had been (interrupted calls restart). NULL is fine. */
void freeze_release(struct frozen *f);
/* SIGKILLs init and thereby all, and waits until all are gone (as tracer). Init stays a zombie for
 * its parent. */
int freeze_kill(struct frozen *f, struct pidspace_error *err);

struct checkpoint_options {
	const struct space *space;
	int image_fd;
	struct image_options image; /* how it is written */
	bool leave_running;
	bool check_only;         /* image_fd unused: fills refusals and lets the tree run on */
	struct frozen *frozen;   /* of a paused container, borrowed: used instead of freezing, stays frozen
	                            unless killed; NULL: freeze here */
	const void *container;   /* packed Container message that goes into the image */
	size_t container_len;
	const struct external *externals;
	size_t n_externals;
	engine_progress_fn *progress; /* may be NULL; called a few times a second */
	void *progress_arg;
	const struct earlier *earlier; /* what was copied before the stop; its stream is used. NULL: nothing */
	/* With leave_running: called once everything has been read, before the image is whole, and the tree may run
	 * on: the caller lets it go. Not called after a failure. NULL: the caller does so afterwards. */
	void (*let_go)(void *arg);
	void *let_go_arg;
	/* Called when the image is whole (and on its disk, if that was asked for), before anything is killed: the caller
	 * publishes it here; a negative answer is a failure like any other. NULL: nothing to do. */
	int (*written)(void *arg, struct pidspace_error *err);
	void *written_arg;
};
/* Saves. After success without leave_running the tree has been killed (init is a zombie, its status
 * SIGKILL). On any failure the tree runs on untouched (stays frozen when it was paused). *ret_refusals
 * (malloc'd, the caller frees) lists everything that cannot be carried; if there is any, the result is
 * -ENOTSUP and err is E_REFUSED naming the first and the count. stats goes on counting where the caller
 * has begun, and is ended by the caller, who may have more to do for the tree (let it go). */
int checkpoint_run(const struct checkpoint_options *o, struct refusal **ret_refusals,
		   size_t *ret_n_refusals, struct engine_stats *stats, struct pidspace_error *err);

struct restore_options {
	struct image_reader *image;    /* positioned after HOST and CONTAINER */
	const struct space_options *space; /* namespaces to make; clocks are filled in by the caller */
	struct external *externals;    /* fds to stand in; "console" comes back with the pty master */
	size_t n_externals;
	enum file_policy files;
	engine_progress_fn *progress;
	void *progress_arg;
	/* Called once everything stands and nothing has run yet, right before the commit: the caller
	 * publishes the container here; a negative answer undoes the restore. */
	int (*commit)(void *arg, const struct space *s, struct pidspace_error *err);
	void *commit_arg;
	const struct restore_lazy *lazy; /* NULL: all memory is there before anything runs */
};
/* Restores into new namespaces. Success: the tree runs, *ret reaches it, init is the caller's child.
 * Failure: nothing is left. */
int restore_run(const struct restore_options *o, struct space *ret, struct refusal **ret_refusals,
		size_t *ret_n_refusals, struct engine_stats *ret_stats, struct pidspace_error *err);
