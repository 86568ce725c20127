#pragma once
/* Batches of system calls run inside a stopped task: one ptrace round trip however many calls.
 *
 * Build: batch_call() adds one call; its arguments are plain values, BATCH_DATA tokens (an address
 * of bytes that travel along: batch_in(), batch_out()) or results of earlier calls (batch_use()). Data tokens belong
 * to the call added next. Run: batch_run() places the calls in the task's slot of scratch memory,
 * in several rounds if they do not fit, and lets a small stub execute them; a call that fails ends
 * the batch unless batch_may_fail() excused it. Afterwards batch_result() and batch_bytes(). */
#include "base/vec.h"
#include "tracee/tracee.h"

struct batch_call {
	uint64_t nr, arg[6];
	uint16_t use[6];      /* 1 + index of the call whose result replaces the argument; 0: none */
	uint8_t data[6];      /* the argument is an offset into the batch's data */
	bool may_fail;
	bool done;
	const char *what;     /* for the error sentence */
	size_t data_start, data_end;
	int64_t result;
};

struct batch {
	VEC(struct batch_call) calls;
	uint8_t *data;
	size_t data_len, data_cap, data_mark;
	bool has_out;
	bool failed;          /* out of memory while building: batch_run answers -ENOMEM */
	size_t at, end;       /* calls of the round that runs */
	VEC(struct batch_pointer { size_t at, to; }) pointers;
};

/* Marks an argument of batch_call as data token. */
#define BATCH_DATA(token) (BATCH_TOKEN | (uint64_t)(token))
#define BATCH_TOKEN (UINT64_C(0xda7a) << 48)

size_t batch_in(struct batch *b, const void *bytes, size_t n);
size_t batch_str(struct batch *b, const char *s);
size_t batch_out(struct batch *b, size_t n);
/* Makes the 8 bytes at offset `at` of the data a pointer to the data token `to`; both belong to one call. */
void batch_relocate(struct batch *b, size_t at, size_t to);

/* Returns the call's index. what names it in errors ("mmap of …"), borrowed until the run ended. */
int batch_call(struct batch *b, const char *what, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
	       uint64_t a3, uint64_t a4, uint64_t a5);
#define BATCH_CALL(b, what, nr, ...) BATCH_CALL_(b, what, nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define BATCH_CALL_(b, what, nr, a0, a1, a2, a3, a4, a5, ...)                                      \
	batch_call(b, what, nr, (uint64_t)(a0), (uint64_t)(a1), (uint64_t)(a2), (uint64_t)(a3),    \
		   (uint64_t)(a4), (uint64_t)(a5))
void batch_use(struct batch *b, int call, int arg, int result_of);
void batch_may_fail(struct batch *b, int call);

/* Runs everything. 0; -errno of the call that failed with a sentence naming it; -ESRCH: the task died. */
int batch_run(struct tracee *t, struct batch *b, struct pidspace_error *err);

/* The same in two halves, so that many tasks work at once: start, then finish (waits). */
int batch_start(struct tracee *t, struct batch *b, struct pidspace_error *err);
int batch_finish(struct tracee *t, struct batch *b, struct pidspace_error *err);

/* A meeting in the middle of a batch: the task stands still there, with the results of the calls before at
 * hand, until it is told to go on. Should we die, it goes on by itself. Needs t->done_signal; tgid and tid
 * are the task's own numbers. All calls before must be ones that may fail. batch_meet() returns the call's index;
 * the other two come between batch_start() and batch_finish(). */
int batch_meet(struct batch *b, const struct tracee *t, struct vpid tgid, struct vpid tid);
int batch_wait_meeting(struct tracee *t, struct batch *b, int meeting, struct pidspace_error *err);
int batch_go_on(struct tracee *t);

int64_t batch_result(const struct batch *b, int call);
const void *batch_bytes(const struct batch *b, size_t token);
void batch_done(struct batch *b);
/* Empties it for reuse, keeping the memory. */
void batch_reset(struct batch *b);

/* --- scratch memory --- */

#define SCRATCH_CODE 4096        /* the stub */
#define SCRATCH_SLOT ((size_t)64 << 10)

/* Makes a scratch mapping of bytes in a living task (the first injected call, guarded by a signal frame
 * on its stack where there is a place for one), and writes the stub. Gives *ret its address; t gets
 * the first slot. */
int scratch_map(struct tracee *t, size_t bytes, uint64_t *ret, struct pidspace_error *err);
int scratch_map_start(struct tracee *t, size_t bytes, struct pidspace_error *err);
/* Between a start and its finish, when many are under way: takes the call's first stop, so that finish need
 * not sleep. */
void scratch_enter(struct tracee *t);
int scratch_map_finish(struct tracee *t, size_t bytes, uint64_t *ret, struct pidspace_error *err);
/* Takes it away again: the last injected call. In halves with scratch_enter() between them, or at once. The task is
 * left at the call's exit stop: a living one with registers with which it goes on by itself, a newborn waits for its
 * final ones. Both are let go by a detach. */
int scratch_unmap_start(struct tracee *t, uint64_t scratch, size_t bytes, struct pidspace_error *err);
int scratch_unmap_finish(struct tracee *t, struct pidspace_error *err);
int scratch_unmap(struct tracee *t, uint64_t scratch, size_t bytes, struct pidspace_error *err);

/* One call in a living task, before scratch memory is there and leaving nothing behind; needs t->vdso. The call's
 * result or -errno. */
int64_t scratch_living_call(struct tracee *t, long nr, uint64_t a0, uint64_t a1, uint64_t a2,
			    struct pidspace_error *err);

/* Gives a further thread of the same address space its slot. */
void scratch_slot(struct tracee *t, uint64_t slot, size_t size);

/* Runs one call on the vDSO's syscall instruction; for newborn tasks. Returns its result or -errno. */
int64_t scratch_single_call(struct tracee *t, uint64_t vdso, long nr, uint64_t a0, uint64_t a1,
			    uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/* The stub's bytes, position independent. */
const void *scratch_stub(size_t *ret_len);
/* Offset in the vDSO of a syscall instruction, which is the same in every 64-bit process; returning: one after which the
 * function returns with the stack as it was. -ENOENT. */
long scratch_vdso_syscall(bool returning);
