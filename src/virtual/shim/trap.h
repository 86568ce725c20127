#pragma once
/* One system call that the filter sent here, and the functions that answer it. They run in the guest's context,
 * under the guest's signal mask, on the guest's stack: small frames, no state of their own. */
#include <asm/sigcontext.h>

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "virtual/catalogue.h"
#include "virtual/shim/call.h"

struct trap {
	long nr;
	long arg[6];
	struct ucontext *uc;
};

#define SIG_BIT(n) (UINT64_C(1) << ((n) - 1))

/* Makes the call as it stands in t. */
static inline long trap_native(const struct trap *t)
{
	return shim_call(t->nr, t->arg[0], t->arg[1], t->arg[2], t->arg[3], t->arg[4], t->arg[5]);
}

/* Can the guest's memory be read there? Otherwise a call answers -EFAULT as the kernel would. */
bool guest_readable(const void *p, unsigned long len);
/* Writes there as the kernel would: false where it cannot. */
bool guest_write(void *to, const void *from, unsigned long len);

/* --- ids.c: numbers --- */

int ids_guest(int host);         /* 0: not one of ours */
int ids_host(int guest);         /* 0: there is none. May be stale */
int ids_host_checked(int guest); /* the same, but a task that is gone or a stranger's is 0 */
int ids_self(void);              /* tgid, the host's */
bool ids_is_init(void);          /* does vpid 1 ask? */
long ids_own(const struct trap *t);
long ids_setsid(const struct trap *t);
void shim_translate_info(siginfo_t *info); /* si_pid of what arrives */
void ids_info_out(siginfo_t *info);        /* of what a guest sends */
uint32_t ids_flags(int host);
void ids_set_flags(int host, uint32_t set, uint32_t clear);

/* --- the rest, by file --- */

long births_begin(struct trap *t);
void births_done(int host);
long waits_wait4(const struct trap *t);
long waits_waitid(const struct trap *t);
long actions_sigaction(const struct trap *t);
long actions_procmask(const struct trap *t);
long actions_masked_wait(struct trap *t);
void actions_for_child_of_init(void);
long actions_own_sigsys(siginfo_t *info, struct ucontext *uc);
long signals_kill(const struct trap *t);
long signals_tgkill(const struct trap *t);
long signals_queue(const struct trap *t);
long signals_pidfd_send(const struct trap *t);
long signals_timedwait(const struct trap *t);
long exec_begin(struct trap *t);
long paths_call(struct trap *t, const struct catalogue_row *r);
long rows_call(struct trap *t);
