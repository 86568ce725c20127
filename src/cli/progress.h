#pragma once
/* How far long work is: one line on stderr, only when that is a terminal. */
#include <stdint.h>

#include <pidspace/pidspace.h>

struct progress {
	bool on, drawn;
	uint64_t drawn_ns;   /* when */
	uint64_t from_ns, from_bytes; /* where the phase began that the rate is of */
	char phase[32];
};

void progress_init(struct progress *p);
void progress_show(void *arg, const struct pidspace_progress *now); /* arg: struct progress */
/* Removes the line. */
void progress_done(struct progress *p);
