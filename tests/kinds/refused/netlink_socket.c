/* Refused with E_NETLINK: a netlink socket.
 *
 *	first
 */
#include "kindtest.h"

#include <linux/netlink.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};
	int fd = KT_SYS(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	socklen_t len = sizeof(a);

	KT_SYS(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	kt_refused_with("E_NETLINK");
	kt_ready_and_wait();
	KT_SYS(getsockname(fd, (struct sockaddr *)&a, &len));
	KT_CHECK(a.nl_pid != 0);
	kt_pass();
}
