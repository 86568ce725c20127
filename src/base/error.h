#pragma once
/* How a failure travels. Functions that cross a module take a last `struct pidspace_error *err`,
 * owned by the caller and fixed in size (include/pidspace/error.h). The layer that meets the failure
 * sets it: what failed, on which object, why, what to do, and a stable code. Each layer above
 * puts one phrase in front, so that the user reads one sentence. err may be NULL. */
#include <pidspace/error.h>

/* status is -errno; code is one of the E_* words listed in doc/ERRORS.md. Returns status. */
int error_set(struct pidspace_error *err, int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "phrase: " in front of what is there. Returns err's status. */
int error_add(struct pidspace_error *err, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* error_set with ": strerror(-status)" behind it and the code E_SYS; for failures that have no
 * advice of their own. */
int error_sys(struct pidspace_error *err, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
