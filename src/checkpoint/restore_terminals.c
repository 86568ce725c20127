/* Controlling terminals: a session leader takes its terminal again as soon as it leads, and once all
 * groups exist the terminal gets its foreground group. */
#include "checkpoint/restore_terminals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "kinds/terminal.h"

/* Opens the terminal for the ioctl in between; its number is free again afterwards. */
static int with_terminal(struct tracee *t, const char *path, const char *what, unsigned long request,
			 const int32_t *arg, struct pidspace_error *err)
{
	struct batch b = {};
	size_t at = batch_str(&b, path);
	int fd = BATCH_CALL(&b, "open of the terminal", SYS_openat, AT_FDCWD, BATCH_DATA(at),
			    O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	size_t value = arg ? batch_in(&b, arg, sizeof *arg) : 0;
	int call = arg ? BATCH_CALL(&b, what, SYS_ioctl, 0, request, BATCH_DATA(value))
		       : BATCH_CALL(&b, what, SYS_ioctl, 0, request, 0);
	batch_use(&b, call, 0, fd);
	int last = BATCH_CALL(&b, "close", SYS_close, 0);
	batch_use(&b, last, 0, fd);
	int r = batch_run(t, &b, err);
	batch_done(&b);
	return r;
}

/* 1: the image holds this process's terminal. One that no descriptor inside was open on is not in it:
 * such a session goes on without. */
static int known(struct restore_engine *e, const Process *p, char path[static 32],
		 struct pidspace_error *err)
{
	struct pidspace_error ignored;

	if (!p->tty)
		return 0;
	snprintf(path, 32, "/dev/pts/%d", p->tty - 1);
	int fd = terminal_slave(e->r, (uint32_t)p->tty - 1, &ignored);
	if (fd == -ENOENT)
		return 0;
	return fd < 0 ? terminal_slave(e->r, (uint32_t)p->tty - 1, err) : 1;
}

int restore_take_terminal(struct restore_engine *e, const Process *p, struct tracee *t,
			  struct pidspace_error *err)
{
	char path[32];
	int r = p->pid == p->sid ? known(e, p, path, err) : 0;

	if (r > 0)
		r = with_terminal(t, path, "TIOCSCTTY", TIOCSCTTY, NULL, err);
	return r < 0 ? error_add(err, r, "controlling terminal of process %d", p->pid) : 0;
}

static const Process *leader_of(const struct restore_engine *e, const Process *p)
{
	for (size_t i = 0; i < e->plan.n; i++)
		if (e->at[i].p->pid == p->sid)
			return e->at[i].p;
	return NULL;
}

static bool group_exists(const struct restore_engine *e, int32_t pgid)
{
	for (size_t i = 0; i < e->plan.n; i++)
		if (e->at[i].p->pgid == pgid && !e->at[i].gone)
			return true;
	return false;
}

int restore_terminals(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->plan.n && r >= 0; i++) {
		struct restored *p = &e->at[i];
		const Process *leader;
		char path[32];
		if (p->p->state == PROCESS_STATE__PROCESS_ZOMBIE || p->gone)
			continue;
		r = p->p->pid == p->p->sid ? known(e, p->p, path, err) : 0;
		/* A foreground group whose last process has gone cannot be named any more. */
		if (r > 0 && p->p->tty_pgrp > 0 && group_exists(e, p->p->tty_pgrp))
			r = with_terminal(&p->t, path, "TIOCSPGRP", TIOCSPGRP, &p->p->tty_pgrp, err);
		leader = p->p->tty ? NULL : leader_of(e, p->p);
		/* Forked before its leader took the terminal, or gave it up itself. */
		if (r >= 0 && leader && leader != p->p && known(e, leader, path, NULL) > 0)
			r = with_terminal(&p->t, "/dev/tty", "TIOCNOTTY", TIOCNOTTY, NULL, err);
		if (r < 0)
			error_add(err, r, "terminal of process %d", p->p->pid);
	}
	return r < 0 ? r : 0;
}
