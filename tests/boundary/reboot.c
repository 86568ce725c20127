/* reboot in a container ends its init, and never the host. */
#include "case.h"

#include <linux/reboot.h>

static void needs_privilege(void)
{
	if (geteuid() == 0)
		BD_SYS(setresuid(65534, 65534, 65534));
	BD_ERR(raw(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, NULL), EPERM);
}

const struct bd_case bd_cases[] = {
	{ "needs privilege", needs_privilege },
	{},
};
