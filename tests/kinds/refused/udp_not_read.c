/* Refused with E_UDP_QUEUE: a UDP socket with datagrams nobody has read yet.
 *
 *	first (server, bound; client, connected to it)
 */
#include "kindtest.h"

#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	int server = KT_SYS(socket(AF_INET, SOCK_DGRAM, 0)), client = KT_SYS(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in before = {0}, now = {0}, mine = {0};
	socklen_t len = sizeof(a);
	char buf[16] = "";

	KT_SYS(bind(server, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(getsockname(server, (struct sockaddr *)&before, &len));
	KT_SYS(connect(client, (struct sockaddr *)&before, sizeof(before)));
	KT_SYS(getsockname(client, (struct sockaddr *)&mine, &len));
	KT_EQ(send(client, "one", 3, 0), 3);
	KT_EQ(send(client, "second", 6, 0), 6);
	kt_refused_with("E_UDP_QUEUE");
	kt_ready_and_wait();
	KT_SYS(getsockname(server, (struct sockaddr *)&now, &len));
	KT_EQ(now.sin_port, before.sin_port);
	KT_SYS(getpeername(client, (struct sockaddr *)&now, &len));
	KT_EQ(now.sin_port, before.sin_port);
	KT_EQ(KT_SYS(recvfrom(server, buf, 16, MSG_DONTWAIT, (struct sockaddr *)&from, &len)), 3);
	KT_EQ(from.sin_port, mine.sin_port);
	KT_STR_EQ(buf, "one");
	KT_EQ(KT_SYS(recv(server, buf, 16, MSG_DONTWAIT)), 6);
	KT_STR_EQ(buf, "second");
	KT_ERR(recv(server, buf, 16, MSG_DONTWAIT), EAGAIN);
	KT_EQ(KT_SYS(sendto(server, "back", 4, 0, (struct sockaddr *)&from, sizeof(from))), 4);
	KT_EQ(KT_SYS(poll(&(struct pollfd){.fd = client, .events = POLLIN}, 1, 5000)), 1);
	KT_EQ(KT_SYS(recv(client, buf, 16, 0)), 4);
	kt_pass();
}
