#include "virtual/proc_as_caller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/proc_stat.h"

/* The raw calls: glibc's would change all threads of the process. setfsuid(2): a change from 0 clears
 * the capabilities that concern files; the others, CAP_SYS_PTRACE above all, are laid down here. */
static int set_capabilities(const struct __user_cap_data_struct caps[2])
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};

	return syscall(SYS_capset, &head, caps) < 0 ? -errno : 0;
}

static int remember(struct proc_as_caller *a)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};

	if (syscall(SYS_capget, &head, a->caps) < 0)
		return -errno;
	a->n_groups = getgroups(0, NULL);
	if (a->n_groups < 0)
		return -errno;
	a->groups = calloc((size_t)a->n_groups + 1, sizeof *a->groups);
	if (!a->groups)
		return -ENOMEM;
	a->n_groups = getgroups(a->n_groups, a->groups);
	return a->n_groups < 0 ? -errno : 0;
}

static int become(struct proc_as_caller *a, const struct proc_status *s)
{
	struct __user_cap_data_struct none[2] = {
		{.permitted = a->caps[0].permitted, .inheritable = a->caps[0].inheritable},
		{.permitted = a->caps[1].permitted, .inheritable = a->caps[1].inheritable},
	};

	a->changed = true;
	if (syscall(SYS_setgroups, s->n_groups, s->groups) < 0)
		return -errno;
	syscall(SYS_setfsgid, s->gid[3]);
	syscall(SYS_setfsuid, s->uid[3]);
	return set_capabilities(none);
}

int proc_as_caller_begin(const struct proc_view *v, const struct proc_caller *c, struct hpid task,
			 struct proc_as_caller *ret)
{
	struct proc_status s;
	int r;

	*ret = (struct proc_as_caller){0};
	if (geteuid() != 0 || task.n == c->tgid.n || task.n == c->tid.n)
		return 0;
	r = proc_status_read(v->proc_fd, c->tgid.n, c->tid.n, &s);
	if (r < 0)
		return r;
	if (s.uid[3] != 0) {
		r = remember(ret);
		if (r == 0)
			r = become(ret, &s);
	}
	proc_status_done(&s);
	return r;
}

void proc_as_caller_end(struct proc_as_caller *a)
{
	if (a->changed) {
		set_capabilities(a->caps);
		syscall(SYS_setfsuid, 0);
		syscall(SYS_setfsgid, getegid());
		syscall(SYS_setgroups, a->n_groups, a->groups);
	}
	free(a->groups);
	*a = (struct proc_as_caller){0};
}
