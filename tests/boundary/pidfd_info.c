/* PIDFD_GET_INFO in the sizes it has had; of processes inside and outside also pidfd.c. */
#include "case.h"

#include <sys/ioctl.h>

static void in_all_sizes(void)
{
	static const unsigned sizes[] = { 64, 72, 80, 88 };
	pid_t child = bd_sleeper();
	int fd = (int)BD_DO(raw(SYS_pidfd_open, child, 0));

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t info[32] = { 1 };
		long r = raw(SYS_ioctl, fd, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, sizes[i]), info);

		if (r == -ENOTTY)
			bd_skip("no PIDFD_GET_INFO before Linux 6.13");
		BD_DO(r);
		BD_EQ(info[4], child);
		BD_EQ(info[5], child);
		BD_EQ(info[6], raw(SYS_getpid));
		BD_EQ(info[sizes[i] / 4], 0);
	}
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "in all sizes", in_all_sizes },
	{},
};
