#pragma once
/* Where the time of a save or restore goes. Exactly one phase runs at a time; phases may alternate (a tree
 * grows while its pages arrive), and each adds up what it had. A new phase is a row here and in stats.c. */
#include <stdint.h>

enum engine_phase {
	PHASE_NONE,
	PHASE_READ,     /* waiting for the image: metadata, and pages that are not there yet */
	PHASE_FILES,    /* namespaces, descriptions, the bytes of files */
	PHASE_TREE,     /* processes and their mappings */
	PHASE_ROUNDS,   /* copying while the container runs */
	PHASE_FREEZE,   /* from here to PHASE_KILL the container stands still */
	PHASE_COLLECT,
	PHASE_METADATA, /* until the last frame before memory is written */
	PHASE_MEMORY,   /* moving pages, either way */
	PHASE_COMMIT,
	PHASE_RELEASE,
	PHASE_KILL,
	PHASE_TASKS,    /* threads, attributes, registers */
	PHASE_GATE,     /* everything stands; publishing, letting go */
	PHASE_COUNT
};

#define ENGINE_ROUNDS 16

/* All zero: nothing has begun. Times are CLOCK_MONOTONIC ns. */
struct engine_stats {
	enum engine_phase now;
	uint64_t start_ns, done_ns;       /* points in time; 0: not reached */
	uint64_t since_ns;                /* when the phase of now was entered */
	uint64_t stopped_ns, resumed_ns;  /* points in time: it stood still between; resumed 0: until the end */
	uint64_t in_ns[PHASE_COUNT];      /* durations */
	uint64_t bytes_done, bytes_total; /* memory; total 0: not known */
	uint64_t image_bytes;             /* written; 0 when reading */
	uint64_t raw_bytes;               /* of these not compressed, to be faster */
	uint64_t tasks, threads;
	unsigned n_rounds;
	struct engine_round {
		uint64_t pages;           /* copied */
		uint64_t ns;              /* all of it */
		uint64_t stopped_ns;      /* in which the container stood still */
	} round[ENGINE_ROUNDS];           /* the first that there were */
	char no_rounds[80];               /* why there were none, though wanted; "" */
};

/* Ends the phase that runs and begins another. The first call is the start, PHASE_NONE the end; entering
 * again after the end counts on. */
void stats_enter(struct engine_stats *st, enum engine_phase phase);

/* The container runs again, whatever phases follow. */
void stats_resumed(struct engine_stats *st);

/* One word in lower case, for people and JSON. */
const char *stats_phase_name(enum engine_phase phase);

/* How long the container stood still; 0 of a restore. */
uint64_t stats_paused_ns(const struct engine_stats *st);
