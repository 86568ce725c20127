/* Shows: O_APPEND and the other flags of an open file, and that nothing is cut off or overwritten.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	const int shown = O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_NOATIME | O_DIRECT;
	int fd = KT_SYS(open(kt_path("log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_SYNC, 0600));
	int noatime = KT_SYS(open(kt_path("log"), O_RDONLY | O_NOATIME | O_NONBLOCK));
	int flags = fcntl(fd, F_GETFL), other;
	char buf[16] = "";

	KT_EQ(write(fd, "one\n", 4), 4);
	kt_ready_and_wait();
	KT_EQ(fcntl(fd, F_GETFL) & shown, flags & shown);
	KT_EQ(fcntl(noatime, F_GETFL) & shown, O_RDONLY | O_NOATIME | O_NONBLOCK);
	other = KT_SYS(open(kt_path("log"), O_WRONLY | O_APPEND));
	KT_EQ(KT_SYS(write(other, "two\n", 4)), 4);
	KT_EQ(KT_SYS(lseek(fd, 0, SEEK_SET)), 0);
	KT_EQ(KT_SYS(write(fd, "three\n", 6)), 6);
	KT_EQ(KT_SYS(pread(noatime, buf, 15, 0)), 14);
	KT_STR_EQ(buf, "one\ntwo\nthree\n");
	kt_pass();
}
