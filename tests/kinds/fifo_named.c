/* Shows: a named pipe with content keeps it, and its name still leads to it.
 *
 *	first (reads) ── child (writes)
 */
#include "kindtest.h"

static void child(void *arg)
{
	int fd = KT_SYS(open(kt_path("fifo"), O_WRONLY));

	KT_EQ(KT_SYS(write(fd, "before", 6)), 6);
	kt_mark("child");
	kt_wait_go();
	KT_EQ(KT_SYS(write(fd, " after", 6)), 6);
	kt_mark("written");
	kt_await("read");
}

int main(void)
{
	char buf[32] = "";
	pid_t pid;
	int fd, other;

	KT_SYS(mkfifo(kt_path("fifo"), 0600));
	pid = kt_child(child, NULL);
	fd = KT_SYS(open(kt_path("fifo"), O_RDONLY));
	kt_await("child");
	kt_ready_and_wait();
	kt_await("written");
	KT_EQ(KT_SYS(read(fd, buf, sizeof(buf))), 12);
	KT_STR_EQ(buf, "before after");
	other = KT_SYS(open(kt_path("fifo"), O_WRONLY | O_NONBLOCK));
	KT_EQ(KT_SYS(write(other, "named", 6)), 6);
	KT_EQ(KT_SYS(read(fd, buf, sizeof(buf))), 6);
	KT_STR_EQ(buf, "named");
	KT_SYS(close(other));
	kt_mark("read");
	kt_reap_ok(pid);
	KT_EQ(read(fd, buf, 1), 0);
	kt_pass();
}
