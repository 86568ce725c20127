#pragma once
/* A *hand*: a thread of ours in somebody else's address space, which makes single system calls for whoever
 * holds the other end of its socket. Some things the kernel lets only a task of that space do, while the program
 * runs (UFFDIO_MOVE). It has a table of descriptors of its own, blocks every signal, and ends with the process
 * or by exec(2) as any thread does. The program could see it in /proc/self/task, and its mapping in /proc/self/maps.
 *
 *     … room: HAND_ROOM bytes, aligned to that … │ code │ stack │ slot: the call and its data
 *
 * The call lies in memory, the socket only says that there is one. So it can be taken back from a hand that does
 * not answer because somebody has stopped it. */
#include "tracee/batch.h"

#define HAND_ROOM ((uint64_t)2 << 20)
#define HAND_DATA_MAX 192

struct hand {
	int sock;            /* -1: none */
	struct hpid tid, tgid;
	uint64_t mapped;     /* all of its memory */
	uint64_t room;       /* for the holder to write to; not in children */
	uint64_t slot;
	uint64_t vdso;
	int sock_inside;
	bool waiting;        /* an answer is still to come */
};
#define HAND_NONE ((struct hand){.sock = -1})

/* --- for the tracer --- */

/* Through a stopped newborn task with scratch memory: memory, socket, and a thread *ret_tid (a number of its PID
 * namespace) at its first stop. -errno: nothing is left of it. */
int hand_make(struct tracee *t, struct hand *ret, struct vpid *ret_tid, struct pidspace_error *err);
/* Lets it go, to wait for its first call. -errno. */
int hand_begin(struct hand *h, struct hpid tid, struct pidspace_error *err);

/* --- for the holder, which may be another process --- */

/* The address of a call's data. */
uint64_t hand_data(const struct hand *h);

/* One call. data, n bytes of at most HAND_DATA_MAX, lies at hand_data() meanwhile. The call's result or -errno;
 * -ETIMEDOUT: it was not made in time, will not be any more, and nothing can be asked before hand_ready(); -ESRCH: the
 * hand is no more. */
int64_t hand_call(struct hand *h, long nr, const uint64_t arg[6], const void *data, size_t n);

/* Can it be asked? */
bool hand_ready(struct hand *h);

/* Gives it a descriptor and takes all others but its socket. The number there, or -errno as of hand_call(). */
int hand_give(struct hand *h, int fd);

/* Ends it and takes its memory away. 0; -EBUSY: not now, somebody traces it. */
int hand_leave(struct hand *h);

/* Forgets it. */
void hand_drop(struct hand *h);
