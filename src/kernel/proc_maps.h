#pragma once
/* /proc/PID/smaps: the mappings with their VmFlags (Documentation/filesystems/proc.rst). */
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"

enum proc_map_flag { /* what VmFlags says, two letters there */
	PROC_MAP_SHARED = 1 << 0,       /* sh */
	PROC_MAP_MAYWRITE = 1 << 1,     /* mw */
	PROC_MAP_GROWSDOWN = 1 << 2,    /* gd */
	PROC_MAP_DONTFORK = 1 << 3,     /* dc */
	PROC_MAP_WIPEONFORK = 1 << 4,   /* wf */
	PROC_MAP_DONTDUMP = 1 << 5,     /* dd */
	PROC_MAP_HUGEPAGE = 1 << 6,     /* hg */
	PROC_MAP_NOHUGEPAGE = 1 << 7,   /* nh */
	PROC_MAP_MERGEABLE = 1 << 8,    /* mg */
	PROC_MAP_LOCKED = 1 << 9,       /* lo */
	PROC_MAP_SEQUENTIAL = 1 << 10,  /* sr */
	PROC_MAP_RANDOM = 1 << 11,      /* rr */
	PROC_MAP_NORESERVE = 1 << 12,   /* nr */
	PROC_MAP_HUGETLB = 1 << 13,     /* ht */
	PROC_MAP_IO = 1 << 14,          /* io */
	PROC_MAP_PFN = 1 << 15,         /* pf */
	PROC_MAP_UFFD = 1 << 16,        /* um, ui */
	PROC_MAP_SEALED = 1 << 17,      /* sl */
	PROC_MAP_LOCKED_ON_FAULT = 1 << 18, /* lf */
	PROC_MAP_UFFD_WP = 1 << 19,     /* uw */
};

struct proc_map {
	uint64_t start, end, offset; /* bytes */
	int prot;                    /* PROT_* */
	unsigned flags;              /* proc_map_flag */
	dev_t dev;
	uint64_t ino;
	const char *name;            /* path, [stack], [anon:NAME] …; points into the text */
};

struct proc_maps {
	VEC(struct proc_map) map;
	char *text; /* owned */
};

/* Reads PID/smaps below proc_fd. 0, or -errno (-ENOENT/-ESRCH: gone). */
int proc_maps_read(int proc_fd, pid_t pid, struct proc_maps *ret);
/* Parses text, which it takes over and changes. -EBADMSG. */
int proc_maps_parse(char *text, struct proc_maps *ret);
void proc_maps_done(struct proc_maps *m);
