#pragma once
/* What a command and a monitor say to each other over control.sock (SOCK_SEQPACKET): one request per
 * connection, then any number of progress and refusal messages, then DONE. A detached monitor uses
 * the same replies to tell its starter how it went.
 *
 * Both ends are pidspace on one machine; structs travel as they are and a version that differs is
 * refused. Whatever is long (argv, environment) travels as NUL-terminated strings in a memfd. */
#include <pidspace/pidspace.h>

#define CONTROL_MAGIC 0x70737031u
#define CONTROL_VERSION 4

enum control_type {
	CONTROL_EXEC = 1,   /* strings: argv, env, cwd ("" none); fds: stdin, stdout, stderr unless detached */
	CONTROL_CHECKPOINT, /* strings: externals; fds: image */
	CONTROL_CHECK,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_WAIT,       /* DONE when the container has ended */
	CONTROL_STATE,      /* DONE carries paused */

	CONTROL_PROGRESS = 64,
	CONTROL_REFUSAL,
	CONTROL_WRITTEN,    /* of CHECKPOINT: the image is whole; the asking side answers DONE, only then it ends */
	CONTROL_STARTED,    /* of EXEC: pid; fds: pidfd and, with a terminal, the pty master */
	CONTROL_DONE,       /* error.status tells success or failure */
};

struct control_request {
	uint32_t magic;
	uint16_t version, type;
	uint32_t n_argv, n_env, n_external;
	uint32_t compress, level;
	uint32_t max_rounds; /* of CHECKPOINT */
	bool detach, terminal, leave_running;
	bool always_rounds;  /* also where there is little to gain */
	bool sync;           /* the image goes to its disk */
	bool confirm;        /* WRITTEN is to be said */
	uint16_t rows, cols; /* of the terminal */
};

struct control_reply {
	uint32_t magic;
	uint16_t version, type;
	pid_t pid;        /* STARTED: the container's number */
	int wait_status;  /* DONE of EXEC and WAIT */
	bool paused;      /* DONE of STATE */
	char phase[16];   /* PROGRESS */
	uint64_t bytes, total, elapsed_ns;
	struct pidspace_stats stats; /* DONE of CHECKPOINT */
	union {
		struct pidspace_error error;
		struct pidspace_refusal refusal;
	};
};

#define CONTROL_FDS 5

/* A request as the monitor received it. */
struct control_message {
	struct control_request head;
	char **argv, **env, **external; /* NULL-terminated; point into text */
	const char *cwd;
	char *text;
	int fds[CONTROL_FDS];
	size_t n_fds;
};
void control_message_done(struct control_message *m);

/* A listening socket in dir_fd, mode 0600. -errno. */
int control_listen(int dir_fd);
/* The same under another name. */
int control_listen_at(int dir_fd, const char *name);
/* Is the other side ours or root's? */
bool control_peer_allowed(int sock);

/* argv, env, external, cwd may be NULL. -errno. */
int control_ask(int sock, struct control_request *q, char *const *argv, char *const *env,
		char *const *external, const char *cwd, const int *fds, size_t n_fds);
/* -EPROTO: garbage or another version; -EPIPE: nothing came. */
int control_hear(int sock, struct control_message *ret);

/* Fills in magic and version. -EPIPE: the other side is gone. */
int control_reply(int sock, struct control_reply *r, const int *fds, size_t n_fds);
/* DONE with r as the outcome; err says more when r < 0. */
int control_done(int sock, int r, const struct pidspace_error *err);

/* WRITTEN, and what the asking side says to it: 0 or its error. -ECANCELED: it is gone. */
int control_confirm(int sock, struct pidspace_error *err);

/* What the asking side collects. */
struct control_answer {
	pidspace_progress_fn *progress;
	void *progress_arg;
	int (*written)(void *arg, struct pidspace_error *err); /* answers WRITTEN */
	void *written_arg;
	bool confirmed;   /* ... and has agreed */
	int cancel_fd;    /* readable before that: say that we give up. 0: never */
	struct pidspace_refusal *refusals;
	size_t n_refusals, cap_refusals;
	struct control_reply done;
};
/* Receives one message: 1 when it was DONE, 0 for another (a STARTED one goes to *ret_started with
 * its fds), -EPIPE when the monitor died in between, -errno. ret_started may be NULL. */
int control_answer(int sock, struct control_answer *a, struct control_reply *ret_started,
		   int *ret_fds, size_t *ret_n_fds);
/* Receives until DONE and takes its outcome over. gone says what a dead peer means. */
int control_converse(int sock, struct control_answer *a, const char *gone, struct pidspace_error *err);
/* Gives the collected refusals away (ret may be NULL: frees them). */
void control_take_refusals(struct control_answer *a, struct pidspace_refusal **ret, size_t *ret_n);
