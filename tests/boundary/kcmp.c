/* kcmp of two processes. */
#include "case.h"

#include <linux/kcmp.h>

static void of_children_and_of_nobody(void)
{
	long mine = raw(SYS_getpid), r;
	int fd = BD_SYS(open("/dev/null", O_RDONLY));
	pid_t child = bd_sleeper();

	r = raw(SYS_kcmp, mine, child, KCMP_FILE, fd, fd);
	if (r == -EPERM || r == -ENOSYS)
		bd_skip("kcmp is denied here");
	BD_EQ(r, 0);
	BD_OP(raw(SYS_kcmp, mine, child, KCMP_VM), >, 0);
	BD_EQ(raw(SYS_kcmp, child, child, KCMP_VM), 0);
	BD_OUTSIDE_ERR(raw(SYS_kcmp, mine, outside, KCMP_VM), ESRCH);
	BD_OUTSIDE_ERR(raw(SYS_kcmp, outside, mine, KCMP_VM), ESRCH);
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "of children and of nobody", of_children_and_of_nobody },
	{},
};
