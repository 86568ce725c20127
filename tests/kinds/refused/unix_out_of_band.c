/* Refused with E_UNIX_OOB: out-of-band data in a unix socket.
 *
 *	first
 */
#include "kindtest.h"

#include <sys/socket.h>

int main(void)
{
	char c = 0;
	int s[2];

	KT_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (send(s[0], "!", 1, MSG_OOB) < 0)
		kt_skip("the kernel has no out-of-band data on unix sockets");
	kt_refused_with("E_UNIX_OOB");
	kt_ready_and_wait();
	KT_EQ(KT_SYS(recv(s[1], &c, 1, MSG_OOB)), 1);
	KT_EQ(c, '!');
	kt_pass();
}
