/* Refused with E_TCP_OUTSIDE: a TCP connection to somebody outside (the runner, at outside.port).
 *
 *	first ── (outside)
 */
#include "kindtest.h"

#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = KT_SYS(socket(AF_INET, SOCK_STREAM, 0));
	char c;

	a.sin_port = htons((uint16_t)kt_noted("outside.port"));
	KT_SYS(connect(fd, (struct sockaddr *)&a, sizeof(a)));
	KT_EQ(KT_SYS(send(fd, "1", 1, 0)), 1);
	KT_EQ(KT_SYS(recv(fd, &c, 1, 0)), 1);
	kt_refused_with("E_TCP_OUTSIDE");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(send(fd, "2", 1, 0)), 1);
	KT_EQ(KT_SYS(recv(fd, &c, 1, 0)), 1);
	KT_EQ(c, '2');
	kt_pass();
}
