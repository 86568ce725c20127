#pragma once
/* The net below PID virtualization: what the catalogue should miss fails here instead of reaching a stranger.
 *
 * A Landlock domain (landlock(7)) with nothing but a scope for signals: no process in it can signal, by whatever
 * call, one outside it, and none can trace or look into one outside (ptrace access mode checks: /proc/PID/mem, fd, cwd,
 * root, environ, process_vm_readv(2), kcmp(2), pidfd_getfd(2)). Signals from outside still arrive, and so do those that the
 * kernel sends by itself: SIGCHLD, PR_SET_PDEATHSIG. It needs no privilege, costs nothing that could be measured at
 * any call (16 us once), and is inherited by all descendants.
 *
 * Denying the real /proc in the same way was tried and is not done. Access is granted per directory, so it takes a rule for
 * each entry of / but /proc: an open(2) then costs a quarter more, "/" itself cannot be listed, directories made in
 * / later cannot be used, and mount(2) is forbidden. /proc is hidden by the path calls alone. */
#include <pidspace/error.h>

/* Puts the calling thread into such a domain, for good; no_new_privs must be set. 1: it is. 0: it could not be had, and
 * nothing was done: a kernel without scopes for signals (before 6.12), Landlock switched off, or 16 domains around us
 * already, which is all the kernel takes. -errno: something is broken. */
int landlock_restrict(struct pidspace_error *err);
