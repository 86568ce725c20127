/* Shows: what is in a pipe comes out once, in order; packets stay packets; both ends stay connected.
 *
 *	first (reads) ── child (writes)       also a pipe in packet mode (O_DIRECT)
 */
#include "kindtest.h"

enum { LEN = 20000 };
static int p[2], packets[2];

static void child(void *arg)
{
	kt_wait_go();
	KT_EQ(KT_SYS(write(p[1], "tail", 4)), 4);
	KT_EQ(KT_SYS(write(packets[1], "last", 4)), 4);
}

int main(void)
{
	static char buf[LEN];
	pid_t pid;

	KT_SYS(pipe2(p, O_CLOEXEC));
	KT_SYS(pipe2(packets, O_DIRECT | O_NONBLOCK));
	kt_fill(buf, LEN, 5);
	KT_EQ(write(p[1], buf, LEN), LEN);
	KT_EQ(write(packets[1], "one", 3), 3);
	KT_EQ(write(packets[1], "second", 6), 6);
	pid = kt_child(child, NULL);
	kt_ready_and_wait();
	kt_reap_ok(pid);
	memset(buf, 0, LEN);
	for (size_t n = 0; n < LEN;)
		n += (size_t)KT_SYS(read(p[0], buf + n, LEN - n));
	kt_check_fill("content", buf, LEN, 5);
	memset(buf, 0, LEN);
	KT_EQ(KT_SYS(read(p[0], buf, LEN)), 4);
	KT_STR_EQ(buf, "tail");
	memset(buf, 0, LEN);
	KT_EQ(KT_SYS(read(packets[0], buf, LEN)), 3);
	KT_STR_EQ(buf, "one");
	KT_EQ(KT_SYS(read(packets[0], buf, LEN)), 6);
	KT_STR_EQ(buf, "second");
	KT_EQ(KT_SYS(read(packets[0], buf, LEN)), 4);
	KT_ERR(read(packets[0], buf, LEN), EAGAIN);
	KT_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	KT_EQ(fcntl(packets[1], F_GETFL) & (O_DIRECT | O_NONBLOCK), O_DIRECT | O_NONBLOCK);
	kt_pass();
}
