#pragma once
/* The names in the directories of /proc that the container may see. */
#include "virtual/proc_shadow.h"
#include "virtual/proc_view.h"

struct proc_entries {
	VEC(struct proc_entry) list;
};

/* For a LIST. In the kernel's order: what is fixed first, then processes by number, threads by age. -errno.
 * The caller frees ret->list with vec_free(), after failure too. */
int proc_list(struct proc_view *v, const struct proc_answer *a, struct proc_entries *ret);

/* Reads the names in /proc that are not pids, once. -errno. */
int proc_list_fixed(struct proc_view *v);
