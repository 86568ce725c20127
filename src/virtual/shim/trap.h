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
	struct ucontext *uc; /* of the signal; NULL: by the short way (patch.c) */
};

#define SIG_BIT(n) (UINT64_C(1) << ((n) - 1))

/* Makes the call as it stands in t. If it is interrupted by a handler, it does not come back: the trap is forgotten
 * (interrupted.c). So nothing may have been done for it that is undone afterwards. */
long trap_native(const struct trap *t);

/* What is passed on in place of a pointer that cannot be read. The kernel cannot read it either, and says so, or what it
 * finds wrong before: even if another thread maps memory at the guest's address meanwhile. */
#define NOWHERE ((long)(UINT64_C(1) << 63))

/* Can the guest's memory be read there? */
bool guest_readable(const void *p, unsigned long len);
/* Writes there as the kernel would: false where it cannot. */
bool guest_write(void *to, const void *from, unsigned long len);

/* --- ids.c: numbers --- */

int ids_guest(int host);         /* 0: not one of ours */
int ids_host(int guest);         /* 0: there is none. May be stale */
int ids_host_checked(int guest); /* the same, but a task that is gone or a stranger's is 0 */
int ids_self(void);              /* tgid, the host's */
bool ids_is_init(void);          /* does vpid 1 ask? */
void shim_translate_info(siginfo_t *info); /* si_pid of what arrives */
void shim_deliver(int sig, siginfo_t *info);
void ids_info_out(siginfo_t *info);        /* of what a guest sends */
bool ids_info_has_pid(int signo, int code);
int ids_sender(int host);                  /* the number of such a pid; 0: outside */
uint32_t ids_flags(int host);
void ids_set_flags(int host, uint32_t set, uint32_t clear);

/* --- one function a special row, by file; r is that row --- */

struct catalogue_row;
#define SPECIAL(name) long name(struct trap *t, const struct catalogue_row *r)

SPECIAL(ids_setsid);
SPECIAL(births_begin);
SPECIAL(exec_begin);
SPECIAL(exits_begin);
SPECIAL(robust_wait);
SPECIAL(waits_wait4);
SPECIAL(waits_waitid);
SPECIAL(actions_sigaction);
SPECIAL(actions_procmask);
SPECIAL(actions_sigreturn);
SPECIAL(actions_masked_wait);
SPECIAL(actions_altstack);
SPECIAL(signals_kill);
SPECIAL(signals_tgkill);
SPECIAL(signals_queue);
SPECIAL(signals_pidfd_send);
SPECIAL(signals_timedwait);
SPECIAL(records_begin);
SPECIAL(records_threads);
SPECIAL(capabilities_header);
SPECIAL(prctl_own);
SPECIAL(filters_install);
SPECIAL(files_owner);
SPECIAL(files_getlk);
SPECIAL(pidfds_info);
SPECIAL(namespaces_pid);
SPECIAL(names_bind);
SPECIAL(names_call);
SPECIAL(sockets_send);
SPECIAL(sockets_receive);
SPECIAL(sockets_peer);
SPECIAL(sysv_stat);
SPECIAL(timers_create);
SPECIAL(paths_call);
SPECIAL(paths_getcwd);

/* --- and what these share --- */

/* Is the program one of Go's? initial_stack: as the kernel has made it. */
bool go_note_is_there(const void *initial_stack);
long trap_dispatch(struct trap *t, const struct catalogue_row *r);
long rows_translate(struct trap *t, const struct catalogue_row *r);
long rare_call(struct trap *t);
long records_read(struct trap *t);
void actions_default(uint64_t signals);
/* Of the calling thread's robust locks: before an exec, which releases them as its end would, and when it has failed. */
void exits_release(void);
void exits_take_back(void);
/* A name of a socket, where the guest does not change it any more. */
#define NAME_MAX_ 128 /* struct sockaddr_storage */
struct socket_name {
	unsigned short family;
	char data[NAME_MAX_ + 6]; /* room for a zero behind it */
};
/* Copies *name of *len bytes, which is then *ours. One that the kernel will refuse is left to it. -ENOENT: it leads to
 * somebody outside. */
long names_take(struct socket_name *ours, const void **name, long *len);
/* Before socket fd is used with a name that was taken. */
void names_before_use(long fd, const void *name, long len);
int pidfds_target(int pidfd); /* the host's tgid; -1: somebody's of the host; 0: not told (before Linux 6.13), or it has ended */
long actions_own_sigsys(siginfo_t *info, struct ucontext *uc);
/* Has the path a component "proc"? 1, 0, or -1: it cannot be read to its end. */
int paths_names_proc(const char *path);
/* Does it begin in the caller's own part of /proc, and stay there? */
bool paths_own_proc(const char *path);
/* Of a program that is to be executed (execveat(2)). 0, or the errno for what would end badly. alone: the process has no other
 * thread. */
long look_inside(long dirfd, long path, long flags, bool alone);
/* --- strays.c: paths that lead into /proc by links or mounts and do not show it --- */

/* Does path i of the call, before it is made? */
bool strays(const struct trap *t, const struct catalogue_row *r, int i);
/* May it have failed with this result because it does? */
bool strays_failed(const struct trap *t, const struct catalogue_row *r, long result);

/* May argument `path` (CATALOGUE_NO_ARG: there is none) lead into /proc? */
bool paths_suspect(const struct trap *t, int path);
/* Makes t's call, by make(), with its first path as the warden says; see paths.c. */
long paths_ask(struct trap *t, const struct catalogue_row *r, long (*make)(struct trap *t));
