/* Refused with E_UNIX_OUTSIDE: a unix socket connected to somebody outside (the runner's outside.sock).
 *
 *	first ── (outside)
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	char c;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", kt_path("outside.sock"));
	KT_SYS(connect(fd, (struct sockaddr *)&a, sizeof(a)));
	KT_EQ(KT_SYS(send(fd, "1", 1, 0)), 1);
	KT_EQ(KT_SYS(recv(fd, &c, 1, 0)), 1); /* echoed: it has been accepted */
	kt_refused_with("E_UNIX_OUTSIDE");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(send(fd, "2", 1, 0)), 1);
	KT_EQ(KT_SYS(recv(fd, &c, 1, 0)), 1);
	KT_EQ(c, '2');
	kt_pass();
}
