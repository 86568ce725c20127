/* Refused with E_SOCKET: a raw socket, as an example of sockets that nobody carries.
 *
 *	first
 */
#include "kindtest.h"

#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), type = 0;
	socklen_t len = sizeof(type);

	if (fd < 0)
		kt_skip("this user may not have raw sockets");
	kt_refused_with("E_SOCKET");
	kt_ready_and_wait();
	KT_SYS(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len));
	KT_EQ(type, SOCK_RAW);
	kt_pass();
}
