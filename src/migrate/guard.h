#pragma once
/* The second holder of everything a page server holds. When the last descriptor of a userfaultfd is closed the
 * kernel takes missing pages for zero pages, so a server that is killed would leave processes behind that
 * go on with wrong memory. The guard is a process that shares the server's table of descriptors
 * (CLONE_FILES): whatever the server gets is held by both at the same moment. If the server dies the guard
 * kills the container, and lets go only when it is dead. */
#include <sys/types.h>

struct guard {
	pid_t pid;
	int pidfd; /* in the shared table */
};

/* server, init: pidfds. why: a line for log_fd (-1: none) before it kills. The caller is the server; -errno. */
int guard_start(struct guard *ret, int server, int init, int log_fd, const char *why);

/* Ends it; nothing is missing any more. */
void guard_dismiss(struct guard *g);
