#ifndef PIDSPACE_ERROR_H
#define PIDSPACE_ERROR_H
/* What went wrong, in a form both a program and a person can use. */

struct pidspace_error {
	int status;         /* -errno of the failure; 0: none */
	char code[32];      /* stable, e.g. "E_IO_URING"; doc/ERRORS.md lists all */
	char message[1024]; /* one sentence without a newline: what, on which object, why, what to do */
};

#endif
