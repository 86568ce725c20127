#pragma once
/* A restore in progress: the tree as it is being built.
 *
 * A process goes through: UNBORN; BORN (cloned, at its first stop); MAPPED (its own mappings); FORKED
 * (its children cloned, which froze what they share). Page frames come in the order of the processes,
 * so each step happens when the first frame needs it, and nothing is read twice. Until the commit
 * nothing in the tree runs but the calls we put there. */
#include "address_space.pb-c.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/plan.h"
#include "open_file.pb-c.h"
#include "process.pb-c.h"
#include "tracee/batch.h"

enum restored_state { UNBORN, BORN, MAPPED, FORKED };

struct restored {
	Process *p;
	const struct plan_step *step;
	enum restored_state state;
	size_t first_fork, next_fork; /* whom it forks, itself or through a helper: indices, rising; 0: none */
	bool helped;             /* some of them through a helper */
	struct tracee t;         /* the leader */
	struct tracee *threads;  /* all, [0] is the leader again once threads exist; NULL before */
	int32_t pgid_now, sid_now;
	AddressSpace *mm;        /* NULL: a zombie */
	bool owns_mm;
	FdTable *fds;            /* NULL: zombie */
	bool owns_fds;
	bool drain_sigchld;      /* helpers or zombies have left SIGCHLD behind */
	bool gone;               /* zombie that has exited */
	bool leaving, entered;   /* its scratch memory is on its way out: restore_registers.c */
};

/* Batches that were started and not waited for yet: restore_queue.c. As many threads of a process as have slots
 * of scratch memory may be in it. */
#define RESTORE_QUEUE 16
struct restore_queue {
	struct queued_batch {
		struct restored *p;
		struct tracee *t;
		struct batch b;
	} at[RESTORE_QUEUE];
	size_t first, n;
};

struct restored_helper {
	struct tracee t;
	bool born, left;
};

enum restored_when { LATER, PART_NOW, WHOLE_NOW }; /* an entry of the index, in a lazy restore */

struct page_list { /* what an address space holds so far, sorted page ranges in bytes */
	VEC(struct page_span { uint64_t start, end; }) span;
};

struct restore_engine {
	const struct restore_options *o;
	struct restore *r;
	struct engine_stats st;
	uint64_t last_progress;
	VEC(Process *) processes;
	VEC(AddressSpace *) mms;      /* by id - 1 */
	VEC(FdTable *) tables;        /* by id - 1 */
	VEC(OpenFile *) open_files;
	VEC(struct kept_frame) trees; /* FRAME_TREE_FILE, in order */
	VEC(MappedFile *) mapped;     /* by id - 1, borrowed from mms */
	struct plan plan;
	struct restored *at;          /* plan.n */
	struct restored_helper *helpers;
	struct restore_queue queue;
	struct restore_fill *fill;    /* restore_fill.c; NULL: nothing to fill yet, or no more */
	struct page_list *held;       /* by mm id - 1 */
	size_t filling;               /* process whose memory the last frame was for */
	uint64_t scratch;             /* same address in every process */
	size_t scratch_len;
	int sock[2];                  /* ours, theirs: descriptors go to init through it */
	int pool;                     /* number of the first of them inside */
	int sock_inside;
	VEC(int) mapped_fd;           /* ours, by mapped id - 1 */
	size_t n_pool;
	int pages_before_done;
	bool built;
	struct hpid init_host;
	struct lazy_memory lazy;      /* with o->lazy */
	char *huge_pages;             /* whom the kernel gives them: "always [madvise] never" */
	enum restored_when *when;     /* by entry of the index */
	struct image_lens *lens;      /* reads entries, next_entry comes next */
	size_t next_entry;
	int uffd_device;              /* ours: /dev/userfaultfd, travels with the pool; -1: none */
};

/* restore_mm.c */
int restore_choose_scratch(struct restore_engine *e, struct pidspace_error *err);
int restore_enter_init(struct restore_engine *e, struct pidspace_error *err);
int restore_map(struct restore_engine *e, size_t i, struct pidspace_error *err);
int restore_mm_words(struct restore_engine *e, struct restored *p, struct batch *b);
void restore_mm_late(struct restore_engine *e, struct restored *p, struct batch *b);
int restore_pages(struct restore_engine *e, const struct image_frame *f, struct pidspace_error *err);

/* restore_fill.c: a frame of pages goes into the memory of p (mapped, nothing else under way in it), or, NULL, into
 * files. It may go on after the call returns, so: before a process is cloned, mapped anew or made to run, turn (does
 * nothing while p and phase stay the same) or finish. Errors may be of frames before. */
int restore_fill(struct restore_engine *e, struct restored *p, const struct image_frame *frame,
		 struct pidspace_error *err);
int restore_fill_turn(struct restore_engine *e, const struct restored *p, uint32_t phase,
		      struct pidspace_error *err);
int restore_fill_finish(struct restore_engine *e, struct pidspace_error *err);
void restore_fill_free(struct restore_engine *e); /* ends the threads at once; e->fill may be NULL */

/* restore_tree.c */
int restore_until_mapped(struct restore_engine *e, size_t i, struct pidspace_error *err);
int restore_build_tree(struct restore_engine *e, struct pidspace_error *err);
int restore_groups(struct restore_engine *e, struct pidspace_error *err);
int restore_leave(struct restore_engine *e, struct pidspace_error *err); /* helpers and zombies exit */

/* restore_queue.c: add takes b over, which is empty then, and starts it; it may wait for others. Nothing else may be
 * done in a process that has one under way. */
int restore_queue_add(struct restore_engine *e, struct restored *p, struct tracee *t, struct batch *b,
		      struct pidspace_error *err);
int restore_queue_finish(struct restore_engine *e, struct pidspace_error *err);
void restore_queue_free(struct restore_engine *e);

/* restore_files.c */
int restore_make_files(struct restore_engine *e, struct pidspace_error *err);
int restore_file_owners(struct restore_engine *e, struct pidspace_error *err);
/* Descriptors a message hands to init; the kernel's limit is 253. They arrive there as 0, 1, 2 …, so the
 * pool and the socket must have numbers above. */
#define POOL_AT_ONCE 64
int restore_send_pool(struct restore_engine *e, struct pidspace_error *err);
void restore_table(struct restore_engine *e, size_t i, struct batch *b);
int restore_pool_number(const struct restore_engine *e, uint32_t file_id);
int restore_pool_mapped(const struct restore_engine *e, uint32_t mapped_id);
int restore_pool_shared(struct restore_engine *e, uint32_t object_id);

/* -1: it did not get one */
int restore_pool_uffd(const struct restore_engine *e);

/* restore_lazy.c */
int restore_lazy_choose(struct restore_engine *e, struct pidspace_error *err);
/* The next frame that is needed now, as image_next(), and what of it cannot wait. */
int restore_lazy_next(struct restore_engine *e, struct image_frame *f, struct pidspace_error *err);
int restore_lazy_pages(struct restore_engine *e, const struct image_frame *f, struct pidspace_error *err);
/* Every process has its mappings, and forks no more: what is missing waits from here on. */
int restore_lazy_leave(struct restore_engine *e, struct pidspace_error *err);
void restore_lazy_touch(struct restore_engine *e);
void restore_lazy_free(struct restore_engine *e);

/* restore_hands.c: once the processes have their credentials */
int restore_lazy_hands(struct restore_engine *e, struct pidspace_error *err);

/* restore_tasks.c */
int restore_threads(struct restore_engine *e, struct pidspace_error *err);
int restore_attributes(struct restore_engine *e, struct pidspace_error *err);
int restore_terminals(struct restore_engine *e, struct pidspace_error *err); /* controlling terminals */
int restore_release(struct restore_engine *e, struct pidspace_error *err);

bool restore_is_live(const struct restored *p);
/* The thread that process-wide state goes through: the first that lives. */
size_t restore_first_live(const Process *p);
/* Is the signal in the queue of the process or of this thread of it? */
bool restore_has_pending(const Process *p, const Thread *th, int sig);

/* restore_registers.c */
int restore_registers(struct restore_engine *e, struct pidspace_error *err);

/* restore_calls.c: makes the final registers *r go on with a call that was waiting. */
void restore_call(struct tracee *t, const Process *p, const Thread *th, struct user_regs_struct *r);

/* The options of PTRACE_SEIZE while restoring. */
#define RESTORE_OPTIONS 0x00100000 /* PTRACE_O_EXITKILL */
