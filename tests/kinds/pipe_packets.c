/* Shows: a pipe of packets (O_DIRECT) keeps their edges, and each opening of an end its own flags.
 *
 *	first (both ends, the read end opened twice) ── child (inherited the write end)
 */
#include "kindtest.h"

static int p[2];

static void child(void *arg)
{
	kt_mark("child");
	kt_wait_go();
	KT_EQ(KT_SYS(write(p[1], "later", 5)), 5);
}

int main(void)
{
	char buf[64], name[64];
	pid_t pid;

	KT_SYS(pipe2(p, O_DIRECT));
	int size = KT_SYS(fcntl(p[0], F_SETPIPE_SZ, 16 * PAGE));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	int again = KT_SYS(open(name, O_RDONLY | O_NONBLOCK));
	KT_EQ(KT_SYS(write(p[1], "one", 3)), 3);
	KT_EQ(KT_SYS(write(p[1], "three", 5)), 5);
	KT_EQ(KT_SYS(write(p[1], "two", 3)), 3);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	KT_EQ(fcntl(p[0], F_GETPIPE_SZ), size);
	KT_EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
	KT_EQ(KT_SYS(read(again, buf, sizeof(buf))), 3);
	KT_EQ(KT_SYS(read(p[0], buf, sizeof(buf))), 5);
	KT_EQ(KT_SYS(read(again, buf, 2)), 2);
	kt_reap_ok(pid);
	/* The third letter of "two" went with its packet. */
	KT_EQ(KT_SYS(read(p[0], buf, sizeof(buf))), 5);
	KT_CHECK(!memcmp(buf, "later", 5));
	KT_ERR(read(again, buf, sizeof(buf)), EAGAIN);
	KT_EQ(fcntl(p[1], F_GETFL) & O_DIRECT, O_DIRECT);
	kt_pass();
}
