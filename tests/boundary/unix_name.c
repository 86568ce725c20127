/* Names of unix sockets are paths too; names that lead into /proc of somebody outside: proc_escapes.c. */
#include "case.h"

#include <sys/socket.h>
#include <sys/un.h>

static void are_bound_connected_and_told(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX }, got;
	int s = BD_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), c = BD_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	int d = BD_SYS(socket(AF_UNIX, SOCK_DGRAM, 0)), e = BD_SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
	socklen_t len = sizeof(got);

	BD_SYS(chdir(getenv("BD_DIR")));
	strcpy(a.sun_path, "named");
	BD_DO(raw(SYS_bind, s, &a, sizeof(a)));
	BD_DO(raw(SYS_listen, s, 5));
	BD_ERR(raw(SYS_bind, d, &a, sizeof(a)), EADDRINUSE);
	strcpy(a.sun_path, "/proc/self/cwd/named");
	BD_DO(raw(SYS_connect, c, &a, sizeof(a)));
	BD_DO(raw(SYS_getpeername, c, &got, &len));
	BD_CHECK(!strcmp(got.sun_path, "named"));
	strcpy(a.sun_path, "datagrams");
	BD_DO(raw(SYS_bind, d, &a, sizeof(a)));
	strcpy(a.sun_path, "/proc/self/cwd/datagrams");
	BD_EQ(raw(SYS_sendto, e, "x", 1, 0, &a, sizeof(a)), 1);
	strcpy(a.sun_path, "nothing");
	BD_ERR(raw(SYS_sendto, e, "x", 1, 0, &a, sizeof(a)), ENOENT);
	BD_ERR(raw(SYS_connect, e, &a, sizeof(a)), ENOENT);
}

const struct bd_case bd_cases[] = {
	{ "are bound, connected to and told", are_bound_connected_and_told },
	{},
};
