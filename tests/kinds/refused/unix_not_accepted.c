/* Refused with E_UNIX_PENDING: a unix connection that waits to be accepted.
 *
 *	first (listener and client)
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int l = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), c = KT_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), s;
	char buf[4] = "";

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", kt_path("sock"));
	KT_SYS(bind(l, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(listen(l, 5));
	KT_SYS(connect(c, (struct sockaddr *)&a, sizeof(a)));
	KT_EQ(KT_SYS(send(c, "hi", 3, 0)), 3);
	kt_refused_with("E_UNIX_PENDING");
	kt_ready_and_wait();
	s = KT_SYS(accept(l, NULL, NULL));
	KT_EQ(KT_SYS(recv(s, buf, 3, 0)), 3);
	KT_STR_EQ(buf, "hi");
	kt_pass();
}
