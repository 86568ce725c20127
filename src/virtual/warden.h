#pragma once
/* The warden: parent of vpid 1 and subreaper of the container, outside it. It answers the bell (layout.h), follows
 * an exec for as long as that takes, and sees to it that nothing outlives vpid 1. One thread, one loop, because
 * a ptracer is a thread. */
#include <stdio.h>

#include "base/vec.h"
#include "ids/ids.h"
#include "virtual/place.h"
#include "virtual/proc_view.h"

/* The memfd's number in the warden, by which the commands find it. */
#define WARDEN_MEMFD 3

/* A thread that we have seized because it is about to execute. */
struct following {
	struct hpid tid, tgid;
	int memfd;     /* the memfd's number in it; -1: it has none yet */
	bool masked;   /* all its signals are blocked, in the new image they are to be */
	uint64_t mask; /* these */
	bool ignores_sigsys;
	bool failed; /* it did not execute: let go of it at the next stop */
};

/* A process with a new image, which has not got the shim yet, or not given the memfd back. */
struct entering {
	struct hpid pid;
	uint64_t lent_at; /* of shim_image.lent in its memory */
	int file;         /* whose number the memfd has; -1: none */
};

struct warden {
	struct place place;
	int memfd, listener;
	int signals;              /* signalfd of SIGCHLD */
	struct hpid init;
	bool init_ended;
	FILE *children;           /* /proc/PID/task/PID/children */
	int log;                  /* of the container; -1: it has none */
	int hold;                 /* until this is closed somebody may look at vpid 1, alive or not */
	VEC(struct following) followed;
	VEC(struct entering) entering;
	int watches;              /* epoll of those below */
	int watched[SHIM_WATCHES]; /* pidfds by place in shim_common.watches; -1 */
	unsigned next_watch;      /* the place that is given up next */
	struct pid_view pids;     /* of view */
	struct proc_view view;
};

/* Opens the list of its own children, from which it kills at the end: by then /proc may be out of reach. -errno. */
int warden_see_children(struct warden *w);

/* Serves until the container has ended; then common->ended is set. err-less: what fails concerns one call and is
 * its answer. */
void warden_run(struct warden *w);

/* --- the parts, by file --- */

/* A question: who asks, what, and the answer to be. */
struct bell {
	uint64_t id;          /* of the notification */
	struct hpid tid;
	uint64_t at;          /* of q in its memory */
	struct shim_request q;
	bool answered;        /* nobody waits any more */
};

void warden_exec_ask(struct warden *w, struct bell *b);
void warden_exec_failed(struct warden *w, struct bell *b);
/* A stop of a thread we follow. */
void warden_exec_stop(struct warden *w, struct hpid tid, int status);
/* pid is about to ring (SHIM_RING). -ENOMEM. */
int warden_lend_to(struct warden *w, struct hpid pid, uint64_t lent_at);
/* The memfd's number in the one who waits, whose call returns with it at once; or -errno. */
int warden_lend_now(struct warden *w, uint64_t id);
/* It does, with notification id: the memfd's descriptor there is the answer. */
void warden_lend(struct warden *w, struct hpid pid, uint64_t id);
void warden_lend_return(struct warden *w, struct bell *b);
/* Frees the numbers that nothing goes by any more. */
void warden_sweep(struct warden *w);
/* Who holds a robust mutex that others wait for; to be called when `watches` is readable. */
int warden_watch_init(struct warden *w);
void warden_watch_ask(struct warden *w, struct bell *b);
void warden_watch_tell(struct warden *w);
/* A line in the container's log. */
void warden_tell_unknown(struct warden *w, struct bell *b);
void warden_path(struct warden *w, struct bell *b);
void warden_place(struct warden *w, struct bell *b);

/* Prepares what the container sees of /proc; state_dir (or NULL): where its stand-in directories may lie. proc_view_done()
 * takes them away. */
int warden_view_init(struct warden *w, const char *state_dir, struct pidspace_error *err);

/* Puts a copy of fd into the caller's descriptor table; its number there, or -errno. flags: O_CLOEXEC.
 * seccomp_unotify(2), SECCOMP_IOCTL_NOTIF_ADDFD. */
int warden_hand_over(const struct warden *w, const struct bell *b, int fd, unsigned flags);
