/* Shows: descriptors made by fork and dup share one open file: its offset and its flags.
 *
 *	first (fd, dup of fd) ── child (fd)      one description
 */
#include "kindtest.h"

static int fd, twin;

static void child(void *arg)
{
	char buf[5] = "";

	kt_mark("child");
	kt_wait_go();
	KT_EQ(KT_SYS(read(fd, buf, 4)), 4);
	KT_STR_EQ(buf, "4567");
	KT_SYS(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
}

int main(void)
{
	char buf[5] = "";
	pid_t pid;

	fd = KT_SYS(open(kt_path("file"), O_RDWR | O_CREAT, 0600));
	KT_EQ(write(fd, "0123456789abcdef", 16), 16);
	KT_EQ(lseek(fd, 0, SEEK_SET), 0);
	twin = KT_SYS(fcntl(fd, F_DUPFD_CLOEXEC, 100));
	KT_EQ(KT_SYS(read(fd, buf, 4)), 4);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	KT_EQ(lseek(fd, 0, SEEK_CUR), 8);
	KT_EQ(lseek(twin, 0, SEEK_CUR), 8);
	KT_EQ(fcntl(twin, F_GETFL) & (O_NONBLOCK | O_APPEND | O_ACCMODE), O_NONBLOCK | O_APPEND | O_RDWR);
	KT_EQ(KT_SYS(read(twin, buf, 4)), 4);
	KT_STR_EQ(buf, "89ab");
	KT_EQ(fcntl(twin, F_GETFD), FD_CLOEXEC);
	KT_EQ(fcntl(fd, F_GETFD), 0);
	kt_pass();
}
