#pragma once
/* A lazy restore out of a file: a page server for what the engine has left out. */
#include "checkpoint/lazy.h"
#include "migrate/page_server.h"

struct lazy_file {
	const struct image_index *index;
	int image_fd;      /* the index was opened on it */
	int init;          /* pidfd of the container's init */
	const char *name;  /* of the container */
	int log_fd;        /* -1: none */
};

/* Can this process do it at all? E_LAZY says what is missing; nothing has been made yet. */
int lazy_allowed(struct pidspace_error *err);

/* Starts the server; see page_server_start(). */
int lazy_serve(struct page_server *ret, const struct lazy_file *file, const struct lazy_memory *m,
	       struct pidspace_error *err);
