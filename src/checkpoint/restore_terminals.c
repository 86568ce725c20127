/* Controlling terminals: a session leader takes its terminal again (TIOCSCTTY, ioctl_tty(2)), and the terminal
 * its foreground group. */
#include "checkpoint/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/terminal.h"

/* Opened by the leader itself, so that it need not be in its descriptor table. */
static int take_terminal(struct restored *p, struct pidspace_error *err)
{
	struct batch b = {};
	char path[32];
	int32_t group = p->p->tty_pgrp;

	snprintf(path, sizeof path, "/dev/pts/%d", p->p->tty - 1);
	size_t at = batch_str(&b, path);
	int open = BATCH_CALL(&b, "open of the controlling terminal", SYS_openat, AT_FDCWD, BATCH_DATA(at),
			      O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	batch_use(&b, BATCH_CALL(&b, "ioctl(TIOCSCTTY)", SYS_ioctl, 0, TIOCSCTTY, 0), 0, open);
	if (group > 0) {
		/* From outside the foreground group this raises SIGTTOU, which is blocked: then it is allowed. */
		size_t g = batch_in(&b, &group, sizeof group);
		int set = BATCH_CALL(&b, "ioctl(TIOCSPGRP)", SYS_ioctl, 0, TIOCSPGRP, BATCH_DATA(g));
		batch_use(&b, set, 0, open);
		batch_may_fail(&b, set); /* a group that is gone */
	}
	batch_use(&b, BATCH_CALL(&b, "close", SYS_close, 0), 0, open);
	int r = batch_run(&p->t, &b, err);
	batch_done(&b);
	return r < 0 ? error_add(err, r, "session %d", p->p->pid) : 0;
}

int restore_terminals(struct restore_engine *e, struct pidspace_error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->plan.n && r == 0; i++)
		if (e->at[i].step->leader && e->at[i].p->tty && !e->at[i].gone && e->at[i].mm)
			r = take_terminal(&e->at[i], err);
	return r;
}
