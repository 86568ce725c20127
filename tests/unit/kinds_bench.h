#pragma once
/* Saves open files of the test's own process by their kinds into a real image, and makes them again
 * from that image, as the engine would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "checkpoint/context.h"

struct bench {
	struct save s;
	struct restore r;
	int image; /* memfd */
	char dir[64]; /* a directory of the test's own */
	char old_root[80], new_root[80]; /* below it: roots for private tmpfs */
};

int bench_set_up(void **state);
int bench_tear_down(void **state);

/* Meets fd as description number 1, 2, ... in this order; returns its id. fd may be closed afterwards. */
uint32_t bench_meet(struct bench *b, int fd);

/* Saves all that was met. Asserts that nothing was refused. */
void bench_save(struct bench *b);

/* Saves; asserts one refusal with this code at least. */
void bench_save_refused(struct bench *b, const char *code);

/* Reads the image, makes and connects all, places contents. bench_read() and bench_make() are its halves. */
void bench_restore(struct bench *b);
void bench_read(struct bench *b);
void bench_make(struct bench *b);

/* Runs all prechecks; how many complaints. */
size_t bench_precheck(struct bench *b);

/* The descriptor made for description id. */
int bench_fd(struct bench *b, uint32_t id);

/* dir/name, in a buffer that the next call overwrites. */
const char *bench_path(struct bench *b, const char *name);
