#include "container/orphan.h"

#include <poll.h>

int orphan_status(const struct task_ref *ref)
{
	int status;

	for (int i = 0; i < 500; i++) {
		struct pollfd p = {.fd = ref->pidfd};

		if (task_ref_exit_status(ref, &status) == 0)
			return status;
		/* POLLHUP: reaped (fs/pidfs.c), so the kernel tells now or never */
		poll(&p, 1, 10);
		if (p.revents & POLLHUP)
			break;
	}
	return task_ref_exit_status(ref, &status) == 0 ? status : -1;
}
