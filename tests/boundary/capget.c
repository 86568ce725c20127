/* capget and capset: a pid in the header. */
#include "case.h"

#include <linux/capability.h>

static long get(pid_t pid, struct __user_cap_data_struct *d)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, pid };
	long r = raw(SYS_capget, &h, d);

	BD_EQ(h.pid, pid);
	return r;
}

static void of_a_child_and_of_nobody(void)
{
	struct __user_cap_data_struct mine[2], his[2];
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 }, bad = { 1, 0 };
	pid_t child = bd_sleeper();

	BD_DO(get(0, mine));
	BD_DO(get((pid_t)raw(SYS_getpid), mine));
	BD_DO(get(child, his));
	BD_CHECK(!memcmp(mine, his, sizeof(mine)));
	BD_ERR(get(-1, mine), EINVAL);
	BD_OUTSIDE_ERR(get(outside, mine), ESRCH);
	BD_DO(raw(SYS_capset, &h, mine));
	h.pid = (pid_t)raw(SYS_getpid);
	BD_DO(raw(SYS_capset, &h, mine));
	h.pid = child;
	BD_ERR(raw(SYS_capset, &h, mine), EPERM);
	BD_OUTSIDE_ERR(({
			       h.pid = outside;
			       raw(SYS_capset, &h, mine);
		       }),
		       EPERM);
	BD_ERR(raw(SYS_capget, &bad, mine), EINVAL);
	BD_EQ(bad.version, _LINUX_CAPABILITY_VERSION_3);
	bd_end(child);
	BD_ERR(get(child, his), ESRCH);
}

const struct bd_case bd_cases[] = {
	{ "of oneself, a child, nobody", of_a_child_and_of_nobody },
	{},
};
