/* SO_PEERCRED and SO_PEERPIDFD. */
#include "case.h"

#include <sys/socket.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static pid_t peer(int s)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	BD_DO(raw(SYS_getsockopt, s, SOL_SOCKET, SO_PEERCRED, &c, &len));
	BD_EQ(len, sizeof(c));
	BD_EQ(c.uid, geteuid());
	return c.pid;
}

static void of_a_pair(void)
{
	struct {
		pid_t pid;
	} part;
	socklen_t len = sizeof(part);
	int s[2];

	BD_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	BD_EQ(peer(s[0]), raw(SYS_getpid));
	BD_DO(raw(SYS_getsockopt, s[1], SOL_SOCKET, SO_PEERCRED, &part, &len));
	BD_EQ(part.pid, raw(SYS_getpid));
}

static void of_who_is_outside(void)
{
	int s = bd_connect(), fd = -1;
	socklen_t len = sizeof(fd);
	char path[64];
	long r;

	BD_EQ(peer(s), 0);
	r = raw(SYS_getsockopt, s, SOL_SOCKET, SO_PEERPIDFD, &fd, &len);
	if (r == -ENOPROTOOPT)
		return; /* before Linux 6.5 */
	if (bd_virtual() && r == -EINVAL)
		return; /* as kernels answer for a peer that is gone */
	BD_DO(r);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	BD_EQ(atoi(bd_line(path, "Pid:") ?: "-9"), 0);
}

static void pidfd_of_a_pair(void)
{
	int s[2], fd = -1;
	socklen_t len = sizeof(fd);
	char path[64];
	long r;

	BD_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	r = raw(SYS_getsockopt, s[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &len);
	if (r == -ENOPROTOOPT)
		bd_skip("no SO_PEERPIDFD before Linux 6.5");
	BD_DO(r);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	BD_EQ(atoi(bd_line(path, "Pid:") ?: "-9"), raw(SYS_getpid));
}

const struct bd_case bd_cases[] = {
	{ "of a pair", of_a_pair },
	{ "of a peer outside", of_who_is_outside },
	{ "a pidfd of the peer", pidfd_of_a_pair },
	{},
};
