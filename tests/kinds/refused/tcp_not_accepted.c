/* Refused with E_TCP_PENDING: a TCP connection that waits to be accepted.
 *
 *	first (listener and client)
 */
#include "kindtest.h"

#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int l = KT_SYS(socket(AF_INET, SOCK_STREAM, 0)), c = KT_SYS(socket(AF_INET, SOCK_STREAM, 0)), s;
	socklen_t len = sizeof(a);
	char buf[4] = "";

	KT_SYS(bind(l, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(listen(l, 5));
	KT_SYS(getsockname(l, (struct sockaddr *)&a, &len));
	KT_SYS(connect(c, (struct sockaddr *)&a, len));
	kt_refused_with("E_TCP_PENDING");
	kt_ready_and_wait();
	s = KT_SYS(accept(l, NULL, NULL));
	KT_EQ(KT_SYS(send(c, "hi", 3, 0)), 3);
	KT_EQ(KT_SYS(recv(s, buf, 3, MSG_WAITALL)), 3);
	KT_STR_EQ(buf, "hi");
	kt_pass();
}
