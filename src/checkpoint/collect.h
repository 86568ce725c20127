#pragma once
/* What a save knows of the stopped tree: built by collect_*.c, written by save.c. */
#include <sys/stat.h>

#include "address_space.pb-c.h"
#include "checkpoint/earlier.h"
#include "checkpoint/freeze.h"
#include "kernel/proc_maps.h"
#include "kernel/proc_stat.h"
#include "open_file.pb-c.h"
#include "process.pb-c.h"

/* Consecutive pages at an address; before: children need them before they are cloned. */
struct page_run {
	uint64_t start, end; /* bytes */
	struct saved_mm *from; /* in whose memory these bytes are; NULL: its own */
	bool before;
	bool alone;          /* mapped nowhere else: pinning to read unshares nothing */
	bool earlier;        /* unchanged since it was copied: earlier.h */
};
typedef VEC(struct page_run) page_runs; /* sorted, disjoint */

#define ORPHAN_HASH (UINT64_C(1) << 63)

struct saved_mm {
	uint32_t id;
	struct saved_process *owner;
	struct saved_mm *parent;   /* forked from; NULL: unknown or unrelated */
	AddressSpace *m;           /* of its mappings those that an earlier one has as well are that one's: */
	VEC(Vma *) own;
	const struct proc_maps *maps; /* maps_read, or those of its twin */
	struct proc_maps maps_read;
	page_runs pages;           /* to store */
	page_runs inherited;       /* taken over from the parent, as before-pages there */
	page_runs for_children;    /* what it held once and children still share; it has written over that since */
	VEC(struct orphan_page {   /* shared, but not with the parent, who has a copy of its own by now; sorted */
		uint64_t address, frame; /* page frame number; ORPHAN_HASH | hash of the content where that is hidden */
		bool lent;         /* among for_children of the parent */
	}) orphans;
	uint32_t earlier_id;       /* of its early pages, 0: none */
	uint64_t bytes;            /* of pages, without the earlier ones */
	uint64_t scratch;          /* address of scratch memory, 0: none */
	size_t scratch_len;
	bool leaving;              /* that memory is on its way out */
	int proc_fd, pagemap, mem; /* /proc, and its files of this one; mem -1: not opened yet */
	bool has_family;           /* others may share pages with it */
};

/* What /proc shows of a process and needs no ptrace: read of many processes at once, collect_outside.c. */
#define N_NAMESPACES 7
struct outside {
	ino_t ns[N_NAMESPACES]; /* 0: not told */
	int maps_error, fds_error;
	struct proc_maps maps;  /* until new_mm() takes it, if owns_mm */
	struct proc_stat *mm_stat; /* of a live thread where the leader has exited, which then shows no memory; NULL: the leader's */
	char *timers;           /* text */
	dev_t exe_dev;
	ino_t exe_ino;          /* 0: not told */
	VEC(struct outside_fd {
		int number;
		char *info;     /* of fdinfo */
	}) fd;                  /* by number, if owns_fds */
};

/* What the kernel's own records say (collect_twins.c). */
struct twin_look {
	bool told;                 /* there is a record */
	uint64_t mm, files, fs, sighand; /* the same number, the same thing */
	bool knows_cloexec;
	uint64_t cloexec;          /* by descriptor, if so */
};

struct saved_process {
	struct frozen_task *leader;
	struct frozen_task *first; /* first live thread, NULL: zombie */
	size_t task_at, n_tasks;   /* its tasks in frozen->tasks */
	Process *m;
	const struct proc_stat *stat;
	struct outside seen;
	struct saved_process *parent;
	struct saved_mm *mm;
	FdTable *fds;              /* owned by the first process with this table */
	bool owns_fds, owns_mm;
	int pidfd;
	bool refused;              /* must not be worked in */
	bool started;              /* scratch memory is on its way */
	/* An earlier process that answers the same, so that this one is not asked: about itself, about the mappings, about the
	 * descriptors. NULL: there is none. */
	struct saved_process *as, *as_maps, *as_fds;
	struct twin_look look;
	uint32_t order;            /* among the processes */
	uint32_t work_at;          /* while it is asked: collect_tasks.c */
	bool filtered;             /* it has a seccomp filter */
	bool lent_xstate, lent_affinity, lent_limits; /* of its first thread and its own: they belong to an earlier process */
};

struct id_map { /* of a user namespace: inside, outside, count */
	VEC(struct { uint32_t in, out, n; }) range;
};

struct save_engine {
	struct frozen *frozen;
	const struct earlier *earlier;         /* NULL: nothing was copied before */
	VEC(struct saved_process *) processes; /* parents before children */
	VEC(struct saved_mm *) mms;
	uint32_t n_fd_tables;
	VEC(MappedFile *) mapped;
	struct id_map uids, gids;
	char *root;                            /* of the container, as our links show it; NULL: "/" */
	uint32_t *by_pid;                      /* index + 1 into processes, by vpid below n_by_pid */
	size_t n_by_pid;
	VEC(uint32_t) file_order;              /* indices into save.files, sorted; collect_files.c */
};

/* Notes in Vma.flags that mean nothing in an image: its shared memory is read through this mapping; all its pages
 * are stored, whatever they are. */
#define COLLECT_THROUGH_MAP (UINT32_C(1) << 31)
#define COLLECT_WHOLE (UINT32_C(1) << 30)

void collect_refuse(struct save *s, struct vpid pid, uint64_t address, const char *code, const char *why,
		    const char *advice, const char *what_fmt, ...) __attribute__((format(printf, 7, 8)));

/* Makes what is not dumpable readable for the time of the save, and not dumpable again. */
int collect_unlock(struct save *s, struct pidspace_error *err);
void collect_lock(struct save *s);

int collect_tree(struct save *s, struct pidspace_error *err);    /* processes, threads, kinship */
int collect_outside(struct save *s, struct pidspace_error *err); /* struct outside of every process */
void collect_outside_done(struct outside *o);
/* Where link `name` of /proc/PID leads, as the container's root sees it: malloc'd, NULL: not told. */
char *collect_link(const struct save *s, pid_t pid, const char *name);
/* Command line, directories and auxiliary vector, from what the tasks told; after collect_tasks. */
int collect_words(struct save *s, struct pidspace_error *err);
extern const char *const collect_namespaces[N_NAMESPACES]; /* as in /proc/PID/ns */
int collect_surroundings(struct save *s, struct pidspace_error *err); /* namespaces, mounts, SysV IPC */
int collect_twins(struct save *s); /* who is the same as another. -ENOMEM */
/* What a process with a twin takes over from it, once that has been asked: what it lends stays the twin's, until it is
 * given back. */
void collect_take_outside(struct saved_process *p); /* of struct outside, and what goes with it */
int collect_take_answers(struct saved_process *p, struct pidspace_error *err); /* of task_kinds; once all are there */
void collect_take_words(struct saved_process *p);   /* of collect_words */
void collect_give_back(struct saved_process *p);
/* Makes these the thread's vector registers: kept once where an earlier process has the same. -ENOMEM. */
int collect_keep_xstate(struct saved_process *p, Thread *th, const uint8_t *xstate, size_t len);
int collect_sharing(struct save *s, struct pidspace_error *err); /* who shares what */
int collect_maps(struct save *s, struct pidspace_error *err);    /* mappings, address spaces */
int collect_tasks(struct save *s, struct pidspace_error *err);   /* works inside: task_kinds */
int collect_files(struct save *s, struct pidspace_error *err);   /* descriptors, which descriptions there are */
int collect_cloexec(struct save *s, struct pidspace_error *err); /* which fdinfo did not tell truly; after collect_tasks */
int collect_write_files(struct save *s, struct pidspace_error *err); /* lets the kinds save them */
int collect_pages(struct save *s, struct pidspace_error *err);   /* which pages to store, what is shared */
/* Moves pages that siblings share only with each other to their parent's for_children. -ENOMEM. */
int collect_siblings(struct save *s);
int collect_add_run(page_runs *runs, uint64_t start, uint64_t end, bool before, bool alone);
void collect_trim_runs(page_runs *runs);
/* Fills in AddressSpace.inherit, for whoever packs it. -ENOMEM. */
int collect_note_inherited(struct saved_mm *mm);
/* Is all of this range in runs? */
bool collect_covers(const page_runs *runs, uint64_t start, uint64_t end, bool only_alone);
int collect_earlier(struct save *s, struct pidspace_error *err); /* which of them the stream holds already */

/* Reads memory without changing who shares it. -EFAULT. */
int collect_read(struct saved_mm *mm, uint64_t address, void *buf, size_t n);

/* Takes scratch memory away again where it was made. */
void collect_leave(struct save *s);
void collect_free(struct save *s);

struct saved_process *collect_find(const struct save *s, struct vpid pid);
