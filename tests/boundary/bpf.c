/* bpf(BPF_TASK_FD_QUERY): a pid in its attributes. */
#include "case.h"

#include <linux/bpf.h>

static void of_nobody(void)
{
	union bpf_attr a = { .task_fd_query = { .pid = 0, .fd = 0 } };

	BD_OUTSIDE_ERR(({
			       long r;

			       a.task_fd_query.pid = (uint32_t)outside;
			       r = raw(SYS_bpf, BPF_TASK_FD_QUERY, &a, sizeof(a));
			       r == -EPERM || r == -ENOSYS ? -ENOENT : r;
		       }),
		       ENOENT);
}

const struct bd_case bd_cases[] = {
	{ "of nobody", of_nobody },
	{},
};
