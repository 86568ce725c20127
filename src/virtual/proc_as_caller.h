#pragma once
/* The warden may have rights that a process inside has given up: root that became nobody. What is opened
 * for it is opened with its ids, and without capabilities unless it is root. */
#include <linux/capability.h>
#include <sys/types.h>

#include "virtual/proc_view.h"

struct proc_as_caller {
	bool changed;
	int n_groups;
	gid_t *groups;
	struct __user_cap_data_struct caps[2];
};

/* Takes on the caller's file system ids for this thread; task is whose object it is about: a process
 * may always look at itself. proc_as_caller_end() undoes it and must follow, after failure too. -errno. */
int proc_as_caller_begin(const struct proc_view *v, const struct proc_caller *c, struct hpid task,
			 struct proc_as_caller *ret);
void proc_as_caller_end(struct proc_as_caller *a);
