#pragma once
/* A pseudo terminal. */
#include "kindtest.h"

#include <sys/ioctl.h>
#include <termios.h>

/* The master; its terminal's path into name. */
static inline int pty_open(char *name, size_t size)
{
	int fd = KT_SYS(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));

	KT_SYS(grantpt(fd));
	KT_SYS(unlockpt(fd));
	KT_PT(ptsname_r(fd, name, size));
	return fd;
}
