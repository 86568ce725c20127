#ifndef PIDSPACE_H
#define PIDSPACE_H
/* libpidspace: run a process tree that keeps its pids, see it, signal it, write it to an image and
 * bring it back.
 *
 * Conventions: functions return 0 or a positive value, or -errno with *err filled (err may be NULL).
 * Two pid domains exist and never mix: `pid` always is the container's own number, `host_pid` this
 * kernel's. Strings given are borrowed for the call; structs returned are freed with the function
 * named beside them. The library never prints and never exits. One struct pidspace may be used by one
 * thread at a time. Descriptors it makes are O_CLOEXEC. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pidspace/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PIDSPACE_API __attribute__((visibility("default")))

/* --- where containers are kept --- */

struct pidspace;

/* Opens the caller's registry: state_dir, or when NULL /run/pidspace for root and
 * $XDG_RUNTIME_DIR/pidspace (/tmp/pidspace-UID without it) for others; made mode 0700 when missing.
 * -EACCES E_STATE_DIR: it is not ours alone. */
PIDSPACE_API int pidspace_open(struct pidspace **ret, const char *state_dir, struct pidspace_error *err);
PIDSPACE_API void pidspace_close(struct pidspace *p);

/* --- run --- */

/* Where a container's pids come from: a PID namespace; the kernel's own, converted at every system call, which needs no
 * right at all; or (only asked for, never answered) the first where the caller can have one, else the second. */
enum pidspace_pids { PIDSPACE_SPACE, PIDSPACE_VIRTUAL, PIDSPACE_EITHER };

struct pidspace_run {
	const char *name;
	char *const *argv;          /* NULL-terminated */
	char *const *env;           /* the whole environment, NULL-terminated; NULL: the caller's */
	enum pidspace_pids pids;
	/* With PIDSPACE_EITHER: called in the calling process with the kind that was taken, before anything
	 * is made (may be NULL). */
	void (*chosen)(void *arg, enum pidspace_pids kind);
	void *chosen_arg;
	bool detach;                /* output to the container's log, the call returns once it runs */
	bool terminal;              /* gives the container a pty; fd 0 of the caller is the user's terminal */
	bool remove;                /* forget the container when it ends */
	bool init;                  /* pid 1 is a small init, the command pid 2 */
	bool map_root;              /* uid 0 inside (user namespace) */
	bool user_namespace;        /* as root too; always so for others */
	pid_t pid_max;              /* 0: default */
	const char *rootfs, *hostname, *cwd, *pid_file; /* NULL: host's, host's, ours, none */
	int stdio[3];               /* descriptors of the caller that the container's 0 1 2 are connected to
	                               (not detached); -1: /dev/null */
};

/* Starts a container. Detached: returns 0 once its program has been executed. Otherwise the
 * call is the container's monitor until it ends: SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2,
 * SIGWINCH and SIGCONT that arrive are passed to init, and *ret_status gets the
 * wait status (wait(2)). -EINVAL E_VIRTUAL_OPTION: rootfs, hostname, map_root and user_namespace need a
 * PIDSPACE_SPACE; with PIDSPACE_EITHER: which cannot be had here. -EEXIST E_NAME_IN_USE; -ENOENT E_EXEC: the program was not found;
 * -ECANCELED E_CHECKPOINTED: the container was checkpointed away. */
PIDSPACE_API int pidspace_run(struct pidspace *p, const struct pidspace_run *o, int *ret_status,
			      struct pidspace_error *err);

struct pidspace_exec {
	const char *name;
	char *const *argv, *const *env;
	const char *cwd;
	bool detach, terminal;
	int stdio[3];
};
/* Runs a further process in the container. *ret_pid its number there (may be NULL). Detached: *ret_status untouched. */
PIDSPACE_API int pidspace_exec(struct pidspace *p, const struct pidspace_exec *o, pid_t *ret_pid,
			       int *ret_status, struct pidspace_error *err);

/* --- see --- */

enum pidspace_state { PIDSPACE_RUNNING, PIDSPACE_PAUSED, PIDSPACE_STOPPED, PIDSPACE_CHECKPOINTED };

struct pidspace_info {
	char name[256], id[40];
	enum pidspace_state state;
	enum pidspace_pids pids;
	pid_t host_pid;             /* of init; 0 when it has ended */
	pid_t monitor_host_pid;     /* 0: no monitor lives */
	size_t tasks;               /* processes inside */
	int64_t created_ns;         /* CLOCK_REALTIME */
	int exit_status;            /* wait status once stopped */
	bool detached, terminal, user_namespace;
	char command[1024];         /* joined by spaces */
	char log[4096];             /* path, empty: none */
	bool memory_arriving;       /* restored with lazy, and not all memory is there yet */
	char reason[512];           /* why pidspace killed it; empty: it did not */
};
/* All of the caller's containers, sorted by name; *ret (free with free()). Stale entries of dead
 * containers are recognised, and forgotten when they were run with remove. */
PIDSPACE_API int pidspace_list(struct pidspace *p, struct pidspace_info **ret, size_t *ret_n,
			       struct pidspace_error *err);
PIDSPACE_API int pidspace_state(struct pidspace *p, const char *name, struct pidspace_info *ret,
				struct pidspace_error *err);

struct pidspace_task {
	pid_t pid, tgid, ppid, pgid, sid; /* the container's numbers; tid role when threads were asked for */
	pid_t host_pid;
	char state;                 /* R S D Z T t as in proc(5) */
	uint64_t cpu_ns, rss_bytes; /* user+system; resident */
	int64_t start_ns;           /* CLOCK_REALTIME */
	uint32_t threads, uid;
	char comm[64];
	char command[4096];         /* command line joined by spaces, [comm] when there is none */
	char container[256];
};
/* Processes (or threads) of one container, sorted by pid. *ret: free(). */
PIDSPACE_API int pidspace_ps(struct pidspace *p, const char *name, bool threads,
			     struct pidspace_task **ret, size_t *ret_n, struct pidspace_error *err);

/* The host's number of process pid, and back (*ret_name: malloc'd). -ESRCH E_NO_SUCH_PID. */
PIDSPACE_API int pidspace_host_pid(struct pidspace *p, const char *name, pid_t pid, pid_t *ret_host_pid,
				   struct pidspace_error *err);
PIDSPACE_API int pidspace_guest_pid(struct pidspace *p, pid_t host_pid, char **ret_name, pid_t *ret_pid,
				    struct pidspace_error *err);

/* --- act --- */

/* Sends sig to processes pids[n] of the container; n 0: to init; all: to every process. A recycled
 * number is never hit: each is reached through a pidfd checked to be inside. -ESRCH E_NO_SUCH_PID. */
PIDSPACE_API int pidspace_kill(struct pidspace *p, const char *name, int sig, const pid_t *pids, size_t n,
			       bool all, struct pidspace_error *err);
PIDSPACE_API int pidspace_pause(struct pidspace *p, const char *name, struct pidspace_error *err);
PIDSPACE_API int pidspace_resume(struct pidspace *p, const char *name, struct pidspace_error *err);
/* Waits until it ends; *ret_status its wait status. timeout_ms -1: for ever; -ETIMEDOUT. */
PIDSPACE_API int pidspace_wait(struct pidspace *p, const char *name, int timeout_ms, int *ret_status,
			       struct pidspace_error *err);
/* Forgets a container that has ended; force kills it first. -EBUSY E_RUNNING. */
PIDSPACE_API int pidspace_delete(struct pidspace *p, const char *name, bool force,
				 struct pidspace_error *err);
/* A descriptor to read its log from, the caller's. -ENOENT E_NO_LOG. */
PIDSPACE_API int pidspace_log(struct pidspace *p, const char *name, struct pidspace_error *err);

/* --- check, checkpoint, restore --- */

/* One thing that stands in the way of a checkpoint or restore. */
struct pidspace_refusal {
	pid_t pid;                  /* 0: the container as a whole */
	int fd;                     /* -1: none */
	uint64_t address;           /* 0: none */
	char code[32], what[256], why[256], advice[256];
};
/* Everything that would stop a checkpoint now, all at once; the tree stops for a moment and runs on.
 * 0 with *ret_n 0: nothing. *ret: free(). */
PIDSPACE_API int pidspace_check(struct pidspace *p, const char *name, struct pidspace_refusal **ret,
				size_t *ret_n, struct pidspace_error *err);

/* What this host offers: one row a feature. *ret: free(). */
struct pidspace_feature {
	char name[48];              /* "PAGEMAP_SCAN" */
	bool present;
	char since[16];             /* "6.7" */
	char costs[256];            /* what its absence costs */
};
PIDSPACE_API int pidspace_check_host(struct pidspace_feature **ret, size_t *ret_n,
				     struct pidspace_error *err);

struct pidspace_progress {
	const char *phase;          /* as in struct pidspace_phase */
	uint64_t bytes, total;      /* of memory; total 0: unknown */
	uint64_t elapsed_ns;
};
typedef void pidspace_progress_fn(void *arg, const struct pidspace_progress *now);

enum pidspace_compress { PIDSPACE_NONE, PIDSPACE_LZ4, PIDSPACE_ZSTD };
enum pidspace_files { PIDSPACE_FILES_STRICT, PIDSPACE_FILES_TRUNCATE, PIDSPACE_FILES_IGNORE };

/* Phases of a checkpoint: rounds (copying before the stop), freeze, collect, metadata, memory, commit, and kill or release. Of a restore: read
 * (waiting for the image), files, tree, memory, tasks, gate (all stand, until all run). */
#define PIDSPACE_PHASES 16
#define PIDSPACE_ROUNDS 16
struct pidspace_phase {
	char name[12];
	uint64_t ns;
};
/* How long each phase took, in order, and how much went through. Together the phases take total_ns. */
struct pidspace_stats {
	struct pidspace_phase phases[PIDSPACE_PHASES];
	uint64_t n_phases;
	uint64_t paused_ns;         /* of a checkpoint: how long the container stood still */
	uint64_t total_ns;
	uint64_t memory_bytes;      /* of pages, as they lie in memory */
	uint64_t image_bytes;       /* written; 0 of a restore */
	uint64_t raw_bytes;         /* of pages not compressed because that would have taken longer */
	uint64_t engine_bytes;      /* the most memory that the process doing it ever had resident */
	uint64_t tasks, threads;
	uint64_t n_rounds;          /* in which memory was copied before the stop */
	struct pidspace_round {
		uint64_t bytes, ns;
		uint64_t stopped_ns;  /* of these the container stood still */
	} rounds[PIDSPACE_ROUNDS];  /* the first of them */
	char no_rounds[80];         /* why there were none though they were wanted; "" */
};

struct pidspace_checkpoint {
	const char *name;
	int image_fd;               /* file, pipe or socket; borrowed */
	enum pidspace_compress compress;
	int level;                  /* 1 to 12 (lz4), 1 to 19 (zstd): everything is compressed like that, however long
	                               it takes; 0: at level 1, and only what makes the image ready sooner */
	bool leave_running;
	int max_rounds;             /* memory is copied in so many rounds at most before the container stops;
	                               -1: none; 0: some with leave_running and a regular file, else none */
	const char *const *external; /* NULL-terminated keys: "PATH", "pipe:[INO]" or "PID:FD"; NULL: none */
	pidspace_progress_fn *progress;
	void *progress_arg;
	bool no_sync;               /* do not wait until the image is on its disk */
	/* Called when a regular file holds the whole image (on its disk, unless no_sync), before the container ends: the
	 * moment to give it its name. Negative with err set: the container runs on and that is the answer; NULL: it ends. */
	int (*written)(void *arg, struct pidspace_error *err);
	void *written_arg;
	int cancel_fd;              /* once it is readable: give up, unless written was called; 0: never */
};
/* Writes the container to an image. Afterwards it is gone, unless left running. On failure it runs
 * on, and so it does if the caller dies before the image is whole. -ECANCELED E_CANCELED: given up.
 * -ENOTSUP E_REFUSED: see *ret_refusals (NULL allowed; free()). -EPIPE E_MONITOR: the monitor died; if
 * written had agreed before, the container may have ended, so keep the image. */
PIDSPACE_API int pidspace_checkpoint(struct pidspace *p, const struct pidspace_checkpoint *o,
				     struct pidspace_refusal **ret_refusals, size_t *ret_n,
				     struct pidspace_stats *ret_stats, struct pidspace_error *err);

struct pidspace_restore {
	int image_fd;
	const char *name;           /* NULL: as it was called */
	bool detach;
	bool remove;
	enum pidspace_files files;
	const char *const *external; /* "KEY=PATH" or "KEY=fd:N"; NULL: none */
	const char *pid_file;
	int stdio[3];
	pidspace_progress_fn *progress;
	void *progress_arg;
	/* Called when the tree runs (may be NULL). */
	void (*restored)(void *arg, const struct pidspace_stats *stats);
	void *restored_arg;
	/* Run at once and bring memory while it runs: image_fd must be a regular file, which has to stay as it is
	 * meanwhile. Pages are checked as they are read: if one is damaged the container is killed
	 * (E_LAZY_LOST). -EPERM E_LAZY, -ENODATA or -ESPIPE E_IMAGE_INDEX: refused, nothing was made. */
	bool lazy;
};
/* Brings a container back. Like pidspace_run: detached returns once it runs, otherwise at its end. */
PIDSPACE_API int pidspace_restore(struct pidspace *p, const struct pidspace_restore *o,
				  struct pidspace_refusal **ret_refusals, size_t *ret_n,
				  int *ret_status, struct pidspace_error *err);

/* --- look into images --- */

struct pidspace_image;
/* Reads all metadata (and checks every frame: verify reads and checks pages too). fd borrowed. */
PIDSPACE_API int pidspace_image_open(struct pidspace_image **ret, int fd, bool verify,
				     struct pidspace_error *err);
PIDSPACE_API void pidspace_image_close(struct pidspace_image *i);
/* Whole content as JSON text; what: "all", "ps-tree", "files", "mem", "host", "container". *ret: free(). */
PIDSPACE_API int pidspace_image_json(struct pidspace_image *i, const char *what, char **ret,
				     struct pidspace_error *err);
/* Its processes, as pidspace_ps gives them; host_pid 0. *ret: free(). */
PIDSPACE_API int pidspace_image_ps(struct pidspace_image *i, struct pidspace_task **ret, size_t *ret_n,
				   struct pidspace_error *err);

#ifdef __cplusplus
}
#endif
#endif
