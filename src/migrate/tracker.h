#pragma once
/* Dirty tracking of one address space: which of its pages were written since we looked last.
 *
 * A userfaultfd made by the process itself write-protects its private anonymous mappings in the
 * asynchronous mode (Linux 6.7): the kernel lifts the protection at the first write by itself, nobody is asked
 * and nothing waits. ioctl_pagemap_scan(2) tells the pages without protection and protects them
 * again, at one stroke for each page.
 *
 * What is known of a page rests on three things. It is *unchanged* if its mapping is registered with our
 * userfaultfd, it bears the protection, and it was copied after it got that protection at this address.
 *   - A mapping is registered by tracker_scan() alone, which then takes every page in it for dirty. Whatever
 *     the kernel moves or maps anew (mremap, mmap, fork, exec) is not registered any more
 *     (mm/userfaultfd.c mremap_userfaultfd_prep(), dup_userfaultfd()), so protection that a page has carried along
 *     from another address counts for nothing.
 *   - Memory that vanishes (munmap, MADV_DONTNEED) takes its protection along: an anonymous page that comes
 *     back is a new one (mm/memory.c zap_install_uffd_wp_if_needed()). Of files that is not so; they are not watched.
 *   - A page that was protected and not copied is remembered as missed.
 * One thing escapes page tables: a write by a device or by the kernel into pages that were pinned before they
 * were protected (read(2) with O_DIRECT, process_vm_writev(2)). So between tracker_scan() and copying the whole tree
 * must have stood still once: pins of calls that were under way are gone then, and new ones lift the
 * protection when they are made.
 *
 * Not watched, and so never unchanged: shared memory (it can be written past the mapping), files, small
 * mappings. */
#include "checkpoint/earlier.h"
#include "checkpoint/freeze.h"
#include "space/space.h"
#include "tracee/guard.h"

struct tracker {
	uint32_t id;          /* of its early pages, in the image */
	struct vpid pid;      /* the process that it was entered by */
	struct hpid host;
	uint64_t start_ticks; /* of that process */
	uint64_t least;       /* bytes of a mapping that is watched */
	uint64_t stack;       /* start_stack: the same in all that were forked without exec */
	int proc_fd;          /* the container's /proc, borrowed */
	int uffd, pagemap;
	int mem;              /* /proc/PID/mem, -1: not opened yet */
	bool registered;      /* some mapping is */
	bool family;          /* another may share pages with it; of whoever copies */
	page_ranges dirty;    /* what the last scan found, to be copied */
	page_ranges missed;   /* protected, but it could not be copied */
};

/* Begins watching the memory of a process that stands still, through its stopped task k. Nothing is protected
 * yet, and mappings of less than `least` bytes never will be. Leaves the task as it was; should we die on the way, the process goes on and has nothing of ours.
 * -ENOTSUP: the kernel cannot, or the task must not be worked in; other -errno. */
int tracker_enter(struct tracker **ret, const struct space *s, struct frozen_task *k, struct guard_cache *c,
		  uint32_t id, uint64_t least, struct pidspace_error *err);

/* Looks which pages were written since the last time (at first: which there are), protects them and puts
 * them into dirty. The process may run. -errno: it has gone, or is not to be watched any more. */
int tracker_scan(struct tracker *t);

/* Is what it watches still the memory of that process (it has not called exec)? The process stands still. */
bool tracker_holds(const struct tracker *t);

/* Pages that have not changed since they were scanned and copied; the process stands still, and pagemap was
 * opened since. -errno. */
int tracker_unchanged(const struct tracker *t, int pagemap, page_ranges *ret);

/* Is this mapping, which is under write protection, registered with us? */
bool tracker_watches(const struct tracker *t, uint64_t start, uint64_t end);

/* Notes that [start, end), found dirty, could not be copied. -ENOMEM. */
int tracker_miss(struct tracker *t, uint64_t start, uint64_t end);

/* Reads without pinning: for memory that another process may share. -errno. */
int tracker_read(struct tracker *t, uint64_t address, void *buf, size_t n);

/* Lifts all protection, in steps so short that the process does not stumble, and frees it. NULL is fine. */
void tracker_leave(struct tracker *t);
