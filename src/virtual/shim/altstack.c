/* Alternative signal stacks, where the shim handles the traps of programs whose own stacks may be too small for it. */
#include "virtual/shim/patch.h"
#include "virtual/shim/trap.h"

#include <linux/signal.h>

#define RED_ZONE 128
#define LARGE 16384    /* bytes: two signal frames with vector registers and room to work */
#define GO_SIZE 32768  /* what Go's runtime gives every thread, also as a library in another program */

extern const char shim_back[];

/* include/linux/sched/signal.h __on_sig_stack() */
static bool is_on(const stack_t *s, unsigned long sp)
{
	return sp > (unsigned long)s->ss_sp && sp - (unsigned long)s->ss_sp <= s->ss_size;
}

/* The guest is not on it, this trap is, and the kernel changes no stack that somebody stands on. So the call is made when the
 * frame of this signal is gone. */
static long make_later(struct trap *t)
{
	struct sigcontext *m = (struct sigcontext *)&t->uc->uc_mcontext;
	uint64_t back[2] = {(uint64_t)shim_back, m->rip}, at = m->rsp - RED_ZONE - sizeof back;

	if (!guest_write((void *)at, back, sizeof back))
		return -EPERM;
	m->rsp = at;
	m->rip = SHIM_GATE - 2; /* the syscall instruction */
	return 0;
}

/* Traps are handled on the alternative stack where goroutines make them: theirs are too small for our frame. Not for others: a
 * program may take the memory of its alternative stack away without a word when it expects no more signals for it. */
static bool is_for_goroutines(const stack_t *s)
{
	return !(s->ss_flags & SS_DISABLE) && (s->ss_size == GO_SIZE || (s->ss_size >= LARGE && own()->small_stacks));
}

SPECIAL(actions_altstack)
{
	long e = trap_native(t);
	stack_t now;
	struct sigaction a = {
		.sa_handler = (__sighandler_t)SHIM_ENTRY_SIGSYS,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTORER,
		.sa_restorer = (__sigrestore_t)SHIM_ENTRY_OWN_RESTORER,
	};

	if (CALL2(__NR_sigaltstack, 0, &now) < 0)
		return e;
	if (e == -EPERM && t->uc && !is_on(&now, ((struct sigcontext *)&t->uc->uc_mcontext)->rsp))
		return make_later(t);
	if (e < 0)
		return e;
	/* The return from our frame sets it again to what the frame says (kernel/signal.c restore_altstack()). */
	if (t->uc)
		t->uc->uc_stack = now;
	if (is_for_goroutines(&now))
		CALL4(__NR_rt_sigaction, SIGSYS, &a, 0, 8);
	return e;
}
