#pragma once
/* A TCP connection over loopback, both ends ours. */
#include "kindtest.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static inline void tcp_pair(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = KT_SYS(socket(AF_INET, SOCK_STREAM, 0));
	socklen_t len = sizeof(a);

	KT_SYS(bind(listener, (struct sockaddr *)&a, sizeof(a)));
	KT_SYS(listen(listener, 1));
	KT_SYS(getsockname(listener, (struct sockaddr *)&a, &len));
	fd[0] = KT_SYS(socket(AF_INET, SOCK_STREAM, 0));
	KT_SYS(connect(fd[0], (struct sockaddr *)&a, len));
	fd[1] = KT_SYS(accept(listener, NULL, NULL));
	KT_SYS(close(listener));
}
