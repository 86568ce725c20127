#pragma once
/* In which order and by whom the processes of a tree are forked, so that each ends up with its own
 * parent and session. Saver and restorer use the same plan, because the forker decides which pages a
 * process can share.
 *
 * A session is only ever inherited, and a parent is the forker, the forker's parent (CLONE_PARENT), or
 * the reaper of an orphan. So for process P with parent Q and session S:
 *   by Q after its setsid       P leads S, or Q is in S
 *   by Q before its setsid      Q leads another session and was born in S
 *   by a sibling in S           with CLONE_PARENT
 *   by a helper leader          S's leader is gone: a helper with pid S under Q makes the session, forks
 *                               P with CLONE_PARENT and leaves
 *   by a helper in S            P is an orphan: a helper forked by a member of S forks P and leaves, and
 *                               the kernel gives P to Q, its reaper */
#include <stdbool.h>

#include "base/vec.h"
#include "process.pb-c.h"

#include <pidspace/error.h>

enum plan_how { PLAN_ROOT, PLAN_BY_PARENT, PLAN_BY_PARENT_EARLY, PLAN_BY_SIBLING, PLAN_BY_LEADER, PLAN_BY_ORPHANER };

struct plan_step {
	const Process *p;
	enum plan_how how;
	int forker;     /* step of the process that forks it (or its helper); -1 for the root */
	int helper;     /* PLAN_BY_LEADER, PLAN_BY_ORPHANER: index of the helper */
	int parent;     /* step, -1: outside */
	bool leader;    /* calls setsid */
	int32_t need;   /* session a leader has to be born in, 0: any */
};

struct plan_helper {
	int32_t pid;    /* of a session leader that is gone; 0: any */
	int forker;     /* step */
	bool setsid;
};

struct plan {
	struct plan_step *step; /* same order as the processes: parents before children */
	size_t n;
	VEC(struct plan_helper) helpers;
};

/* E_SESSION -ENOTSUP: no order of forks gives this tree. */
int plan_make(struct plan *ret, Process *const *p, size_t n, struct pidspace_error *err);
void plan_done(struct plan *p);
