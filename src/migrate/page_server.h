#pragma once
/* The process that brings missing pages to a container while that runs. It is forked off its monitor, holds the
 * userfaultfds, answers faults at once, and from page_server_go() on pushes the rest; then it is done and
 * exits. The container and this server outlive the monitor. What must not be outlived is the server
 * itself: see guard.h. Pages that cannot be had (a damaged image) end the container too. */
#include "migrate/huge.h"
#include "migrate/missing.h"
#include "migrate/page_source.h"
#include "tracee/hand.h"

/* An address space that lacks pages. */
struct page_client {
	uint32_t space_id;        /* in the source */
	int uffd;                 /* enabled, not blocking; the ranges of missing registered */
	struct missing missing;
	struct huge huge;         /* whose descriptor is the caller's as well */
};

/* An extent of the source. */
struct page_extent {
	uint32_t space_id;
	uint64_t start, end; /* bytes */
	bool here;           /* its pages lie where they belong already */
};

struct page_server_options {
	struct page_source *source;
	const struct page_extent *extents; /* by number in the source */
	size_t n_extents;
	struct page_client *clients;
	size_t n_clients;
	int init;                /* pidfd of the container's init */
	const char *name;        /* of the container, for sentences */
	int log_fd;              /* what becomes of the container is written there as well; -1: none */
	const int *keep;         /* descriptors that the source needs; all others but 0 to 2 are closed there */
	size_t n_keep;
};

struct page_server {
	pid_t pid;               /* a child of the caller, to be reaped; 0: none */
	int pidfd;
	int sock;                /* readable when it has something to say; -1: none */
};
#define PAGE_SERVER_NONE ((struct page_server){.pidfd = -1, .sock = -1})

/* Starts it: faults are answered from now on. Everything in o stays the caller's, which closes its copies of the
 * userfaultfds. -errno. */
int page_server_start(struct page_server *ret, const struct page_server_options *o,
		      struct pidspace_error *err);

/* Lends it a hand in the space of that client, before the container runs; it will end it. Nothing is lost if it cannot be
 * told. h->sock stays the caller's. */
void page_server_hand(struct page_server *s, uint32_t space_id, const struct hand *h);

/* The container runs: push. If the caller dies before this the server leaves, and kills the container. */
void page_server_go(struct page_server *s);

/* What it says when sock is readable, and takes leave of it: 0, all memory is there; or -errno: the container has been
 * killed, *err says why. */
int page_server_hear(struct page_server *s, struct pidspace_error *err);
