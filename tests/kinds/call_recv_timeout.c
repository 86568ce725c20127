/* Shows: a receive with SO_RCVTIMEO, which a stop would end with EINTR, goes on; its timeout stays set.
 *
 *	first ─┬─ recv that times out
 *	       └─ recv that gets something
 */
#include "kindtest.h"

#include <sys/socket.h>
#include <sys/time.h>

static int silent[2], spoken[2];

static void pair(int fd[2])
{
	const struct timeval t = {2, 400000};

	KT_SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	KT_SYS(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
}

static void timed(void *arg)
{
	double began = kt_now();
	struct timeval t;
	socklen_t len = sizeof(t);
	char c;

	KT_ERR(recv(silent[0], &c, 1, 0), EAGAIN);
	/* The kernel reports no remaining time of a receive; it may count from the restart. */
	kt_between("recv", kt_now() - began, KT_WAIT - 0.02, 2 * KT_WAIT + KT_LATE);
	KT_SYS(getsockopt(silent[0], SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	KT_EQ(t.tv_sec * 1000000 + t.tv_usec, 2400000);
}

static void gets(void *arg)
{
	char buf[16] = "";

	KT_EQ(KT_SYS(recv(spoken[0], buf, sizeof(buf), 0)), 4);
	KT_STR_EQ(buf, "now");
}

int main(void)
{
	pid_t a, b;

	pair(silent);
	pair(spoken);
	a = kt_child(timed, NULL);
	b = kt_child(gets, NULL);
	kt_await_syscall(a, a, SYS_recvfrom);
	kt_await_syscall(b, b, SYS_recvfrom);
	kt_ready_and_wait();
	KT_EQ(KT_SYS(send(spoken[1], "now", 4, 0)), 4);
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
