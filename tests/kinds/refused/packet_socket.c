/* Refused with E_PACKET_SOCKET: a packet socket.
 *
 *	first
 */
#include "kindtest.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

int main(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	struct sockaddr_ll a;
	socklen_t len = sizeof(a);

	if (fd < 0)
		kt_skip("this user may not have packet sockets");
	kt_refused_with("E_PACKET_SOCKET");
	kt_ready_and_wait();
	KT_SYS(getsockname(fd, (struct sockaddr *)&a, &len));
	kt_pass();
}
