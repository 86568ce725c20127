#pragma once
/* Between the words of the public API, of the image and of the engine. */
#include "checkpoint/checkpoint.h"
#include "container/control.h"
#include "container/registry.h"

/* A packed Container message of a stopped tree (malloc'd), clocks included. */
int describe_container(const struct record *r, const struct space *s, void **ret, size_t *ret_len,
		       struct pidspace_error *err);

/* What stands in a Container message: name (unless already set), options and command into r; the
 * clocks the tree shall find into o. r owns what o borrows. */
int describe_restored(const void *body, size_t len, struct record *r, struct space_options *o,
		      struct pidspace_error *err);

/* Fills e with the identity that the key of --external means in a container. -ENOENT. */
int describe_external(const struct space *s, const char *key, struct external *e);

void describe_progress(const struct engine_stats *st, struct control_reply *ret);
/* To be called in the engine's process: it is this one's memory that is told. */
void describe_stats(const struct engine_stats *st, struct pidspace_stats *ret);
void describe_refusal(const struct refusal *from, struct pidspace_refusal *to);
