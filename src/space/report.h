#pragma once
/* How a process on its way into a container tells its maker what became of it: one SEQPACKET
 * message each, with descriptors. Both sides are the same program, so the struct travels as it is. */
#include <stddef.h>

#include <pidspace/error.h>
#include "ids/ids.h"

enum report_type {
	REPORT_BORN = 1, /* from a helper: host is the number of the process it cloned */
	REPORT_READY,    /* everything stands; descriptors as agreed */
	REPORT_FAILED,   /* error says why; the sender is about to exit */
};

struct report {
	int type;
	struct hpid host;
	struct pidspace_error error; /* sent only with REPORT_FAILED */
};

#define REPORT_FDS 4

/* Sends type without an error. -errno. */
int report_send(int sock, enum report_type type, struct hpid host, const int *fds, size_t nfds);
/* Sends the error and ends the process. */
_Noreturn void report_fail(int sock, const struct pidspace_error *error);
/* Waits for one message. *ret_nfds descriptors (at most REPORT_FDS) are the caller's.
 * -EPIPE: all senders are gone. */
int report_receive(int sock, struct report *ret, int *ret_fds, size_t *ret_nfds);
