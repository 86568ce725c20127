/* Refused with E_UNIX_ONE_WAY: a unix datagram socket connected in one direction only.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int server = KT_SYS(socket(AF_UNIX, SOCK_DGRAM, 0)), c = KT_SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
	char buf[8] = "";

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", kt_path("sock"));
	KT_SYS(bind(server, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(connect(c, (struct sockaddr *)&a, sizeof(a)));
	kt_refused_with("E_UNIX_ONE_WAY");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(send(c, "hi", 3, 0)), 3);
	KT_EQ(KT_SYS(recv(server, buf, 8, 0)), 3);
	KT_STR_EQ(buf, "hi");
	kt_pass();
}
