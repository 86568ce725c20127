#pragma once
/* The built-in init (--init): pid 1 for programs that are none. Reaps orphans, passes signals to the
 * command, which is pid 2, and ends as that does. */

/* Becomes it. command(arg) runs in pid 2 and execs; pid 1 closes whatever it holds. Returns the exit
 * status. */
int pid1_run(int (*command)(void *arg), void *arg);
