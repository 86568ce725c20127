#pragma once
/* The user's end of a container or of one process in it: stdio through pipes or a terminal, signals
 * that arrive for it, and the window size. Used by the monitor of a foreground container and by exec. */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

#include <pidspace/error.h>
#include "container/relay.h"

/* Signals as descriptors. What was blocked before is restored by signals_close(). */
struct signals {
	int fd;
	sigset_t before;
	struct sigaction sigchld;
};
int signals_open(struct signals *s, struct pidspace_error *err);
/* Takes the next signal; 0: none. */
int signals_next(struct signals *s);
/* Also forgets SIGPIPE and SIGCHLD that came meanwhile: nobody asked for them. */
void signals_close(struct signals *s);
/* Is it one that goes to the container? */
bool signals_pass_on(int sig);

struct session {
	struct relay relay;
	bool terminal;
	int user[3];         /* the caller's stdio, borrowed; -1: none */
	int master, slave;   /* with a terminal; the slave is held so that the master never hangs up */
	int raw_fd;          /* the user's terminal while in raw mode, or -1 */
	struct termios before;
};

void session_init(struct session *s);

/* Makes pipes between user[3] and the container; ret_inner are the container's ends (the caller
 * closes them after the start), -1 where user is -1. With terminal nothing yet: see below. */
int session_open(struct session *s, const int user[3], bool terminal, int ret_inner[3],
		 struct pidspace_error *err);

/* The container's terminal has come to be; takes master over. The user's own one goes into raw mode
 * until session_close() and gives it its size. log_fd (borrowed, or -1): where output goes when
 * there is no user. */
int session_attach(struct session *s, int master, int log_fd, struct pidspace_error *err);
void session_resize(struct session *s);
/* The size of the user's terminal, zeros when there is none: for the process to set before it runs. */
struct winsize session_size(const int user[3]);

/* Passes on what is left and gives the user's terminal back. */
void session_close(struct session *s);
