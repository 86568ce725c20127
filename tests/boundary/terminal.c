/* The terminal of `run -t`: its names and numbers agree, and job control works. */
#include "case.h"

#include <sys/ioctl.h>
#include <termios.h>

#ifndef TIOCGPTN
#define TIOCGPTN _IOR('T', 0x30, unsigned)
#endif

static void names_agree(void)
{
	char name[64], link[64], listed[64];
	struct stat a, b;
	ssize_t n;

	BD_CHECK(isatty(0) && isatty(1) && isatty(2));
	BD_PT(ttyname_r(0, name, sizeof(name)));
	BD_CHECK(!strncmp(name, "/dev/pts/", 9));
	BD_SYS(stat(name, &a));
	BD_SYS(fstat(0, &b));
	BD_EQ(a.st_rdev, b.st_rdev);
	n = BD_DO(raw(SYS_readlink, "/proc/self/fd/0", link, sizeof(link) - 1));
	link[n] = 0;
	BD_CHECK(!strcmp(link, name));
	snprintf(listed, sizeof(listed), "/dev/pts/%s", name + 9);
	BD_SYS(access(listed, R_OK | W_OK));
	BD_OP(BD_SYS(open("/dev/tty", O_RDWR)), >=, 0);
}

static void new_ones_are_numbered(void)
{
	int m = BD_SYS(posix_openpt(O_RDWR | O_NOCTTY));
	unsigned n = 12345;
	char name[64], want[64];

	BD_DO(raw(SYS_ioctl, m, TIOCGPTN, &n));
	BD_SYS(unlockpt(m));
	BD_PT(ptsname_r(m, name, sizeof(name)));
	snprintf(want, sizeof(want), "/dev/pts/%u", n);
	BD_CHECK(!strcmp(name, want));
	BD_OP(BD_SYS(open(name, O_RDWR | O_NOCTTY)), >=, 0);
}

static void numbers_of_the_session(void)
{
	int group = -1, session = -1;

	BD_DO(raw(SYS_ioctl, 0, TIOCGPGRP, &group));
	BD_DO(raw(SYS_ioctl, 0, TIOCGSID, &session));
	BD_EQ(session, raw(SYS_getsid, 0));
	BD_EQ(session, 1);
	BD_EQ(group, raw(SYS_getpgrp));
	BD_EQ(bd_stat_field((pid_t)raw(SYS_getpid), 8), group);
}

static void foreground_groups(void)
{
	int child = bd_sleeper(), group = -1;

	signal(SIGTTOU, SIG_IGN);
	BD_DO(raw(SYS_setpgid, child, 0));
	BD_DO(raw(SYS_ioctl, 0, TIOCSPGRP, &child));
	BD_DO(raw(SYS_ioctl, 0, TIOCGPGRP, &group));
	BD_EQ(group, child);
	BD_OUTSIDE_ERR(raw(SYS_ioctl, 0, TIOCSPGRP, &outside), ESRCH);
	group = -1;
	BD_ERR(raw(SYS_ioctl, 0, TIOCSPGRP, &group), EINVAL);
	group = (int)raw(SYS_getpgrp);
	BD_DO(raw(SYS_ioctl, 0, TIOCSPGRP, &group));
	bd_end(child);
}

static void read_terminal(void *arg)
{
	char c;

	BD_DO(raw(SYS_setpgid, 0, 0));
	raw(SYS_read, 0, &c, 1);
	raw(SYS_pause);
}

static void reading_in_the_background_stops(void)
{
	pid_t child = bd_child(read_terminal, NULL);
	int status;

	BD_EQ(raw(SYS_wait4, child, &status, WUNTRACED, NULL), child);
	BD_CHECK(WIFSTOPPED(status));
	BD_EQ(WSTOPSIG(status), SIGTTIN);
	BD_EQ(bd_state(child), 'T');
	bd_end(child);
}

const struct bd_case bd_cases[] = {
	{ "names agree", names_agree, .terminal = true },
	{ "new terminals are numbered", new_ones_are_numbered, .terminal = true },
	{ "session and foreground group", numbers_of_the_session, .terminal = true },
	{ "the foreground group is changed", foreground_groups, .terminal = true },
	{ "reading in the background stops", reading_in_the_background_stops, .terminal = true },
	{},
};
