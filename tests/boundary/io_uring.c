/* io_uring: what is submitted in a ring passes by any filter. */
#include "case.h"

#include <linux/io_uring.h>

static void a_ring_or_none(void)
{
	struct io_uring_params p = {};
	long fd = raw(SYS_io_uring_setup, 4, &p);

	if (bd_virtual()) {
		BD_ERR(fd, EPERM);
		BD_ERR(raw(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0), EPERM);
		BD_ERR(raw(SYS_io_uring_register, 0, 0, NULL, 0), EPERM);
		return;
	}
	if (fd == -ENOSYS || fd == -EPERM)
		bd_skip("this kernel gives no rings");
	BD_DO(fd);
	BD_EQ(raw(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0), 0);
}

const struct bd_case bd_cases[] = {
	{ "a ring, or a clear refusal", a_ring_or_none },
	{},
};
