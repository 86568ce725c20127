#pragma once
/* One stopped task under ptrace(2), and how to work inside it.
 *
 * States: *attached* (seized, running or about to stop), *stopped* (regs and sigmask hold what it
 * had at the stop), *gone*. A *living* task has a life to go on with: after we worked in it,
 * tracee_put_back() leaves it exactly as it was found. A *newborn* was made by us and has no life yet.
 *
 * Stops are of the PTRACE_SEIZE kind. We leave a task from a stop inside the kernel's signal delivery (an
 * interrupt trap, a group stop, or the delivery of a signal we drop), or by a detach from the exit stop of a call,
 * which wakes it as a signal would: either way the kernel itself restarts the interrupted system call from the
 * registers it finds, so putting the registers back is all it takes (arch/x86/kernel/signal.c
 * arch_do_signal_or_restart). Calls that have to be entered again are left from their entry stop instead, see
 * tracee_reenter(). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "ids/ids.h"

enum tracee_state { TRACEE_ATTACHED, TRACEE_STOPPED, TRACEE_GONE };

struct tracee {
	struct hpid tid, tgid;
	enum tracee_state state;
	bool newborn;
	bool worked_in;              /* registers in the task differ from regs */
	bool laid;                   /* so do they, but with them it goes on by itself: tracee_lay() */
	int group_stop;              /* stop signal when job control had stopped it; 0: not */
	int wait_status;             /* once gone */
	struct user_regs_struct regs; /* at the stop */
	uint64_t sigmask;            /* at the stop */
	uint64_t elapsed_ns;         /* how long it had waited in the call it was stopped in; 0: unknown */
	int done_signal;             /* raised by a batch to hand control back; see batch.c */
	uint64_t stub;               /* address of the stub, 0: no scratch memory */
	uint64_t slot;               /* its own piece of scratch memory */
	size_t slot_size;
	uint64_t vdso;               /* address of its vDSO; set by the owner before scratch_map */
	uint64_t sigreturn;          /* of code in it that calls rt_sigreturn, 0: none known */
	bool stack_below;            /* what lies below its stack pointer is dead memory */
	const void *xstate;          /* of its vector registers at the stop, borrowed; NULL: ask the kernel */
	size_t xstate_len;
	int entered;                 /* between scratch_enter and a finish: an error, or 0 */
	void *lent;                  /* bytes of its stack that a guard frame covers (malloc'd) */
	uint64_t lent_at;
	size_t lent_len;
};

/* Attaches without stopping (PTRACE_SEIZE). options: PTRACE_O_*. -ESRCH: gone; -EPERM: traced by
 * someone else, a zombie, or not ours. */
int tracee_seize(struct tracee *t, struct hpid tid, struct hpid tgid, unsigned long options);
int tracee_interrupt(struct tracee *t);

/* Looks whether it has stopped; a signal on its way is let through first. Returns 1 stopped or gone,
 * 0 not yet. Never blocks. */
int tracee_poll_stop(struct tracee *t);

/* Waits for the next stop whatever it is; returns the wait status, or -errno; on exit the state is
 * TRACEE_GONE and -ESRCH comes back. This and tracee_poll_stop are the only places that reap. */
int tracee_wait(struct tracee *t, int *ret_status);
/* The same without waiting: -EAGAIN when it has neither stopped nor ended. */
int tracee_wait_now(struct tracee *t, int *ret_status);

/* The first stop of a task made with CLONE_PTRACE by one of our tracees. */
int tracee_take_newborn(struct tracee *t, struct hpid tid, struct hpid tgid);

/* Registers and mask as they were, then run on: detach. A call that a stop turns into EINTR though no
 * handler is due (epoll_wait, semop, sigtimedwait …) is reissued. */
void tracee_release(struct tracee *t);
int tracee_put_back(struct tracee *t);

/* Gives a stopped, living task registers and a mask with which it goes on by itself should we die now, at
 * whatever stop it is: the call it was in is begun anew by hand. regs stays as it was. */
int tracee_lay(struct tracee *t);

/* Reads and writes its memory, all or nothing. write goes through /proc/PID/mem when mem_fd >= 0, and
 * so reaches pages without write permission. -EFAULT. */
int tracee_read(const struct tracee *t, uint64_t address, void *buf, size_t n);
int tracee_write(const struct tracee *t, uint64_t address, const void *buf, size_t n);

/* xsave image, in the kernel's own layout (ptrace NT_X86_XSTATE). *ret_len in: capacity, out: size. */
int tracee_get_xstate(const struct tracee *t, void *buf, size_t *ret_len);
int tracee_set_xstate(const struct tracee *t, const void *buf, size_t len);
int tracee_set_regs(struct tracee *t, const struct user_regs_struct *r);
int tracee_set_mask(struct tracee *t, uint64_t mask);

/* Did the stop end a call that would have gone on waiting, in a way that forgets how long? Either it answers
 * -EINTR (if a handler is due that is right all the same: the caller knows), or -ERESTART_RESTARTBLOCK, whose
 * deadline is lost with the kernel's memory of it; r->orig_rax names the call then, also where
 * restart_syscall(2) stood for it. Then step back onto the syscall instruction; time-outs are
 * shortened by t->elapsed_ns, in the register or in memory below the red zone. */
bool tracee_cut_short(const struct tracee *t, struct user_regs_struct *r);
void tracee_step_back(const struct tracee *t, struct user_regs_struct *r);

/* Is it in a call that waits under a signal mask of its own, which is gone once anything else has run? */
bool tracee_must_reenter(const struct user_regs_struct *r);

/* Makes the task enter the call of these registers again and leaves it at the entry stop with this mask, so
 * that nothing comes between: no signal is delivered before the call has set its own. Leave by
 * PTRACE_DETACH; that wakes the call once, which these calls survive (-ERESTARTNOHAND). */
int tracee_reenter(struct tracee *t, const struct user_regs_struct *regs, uint64_t mask);

#define TRACEE_XSTATE_MAX 16384
