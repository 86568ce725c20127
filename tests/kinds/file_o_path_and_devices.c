/* Shows: O_PATH descriptors and the devices that have no state: null, zero, full, random, urandom.
 *
 *	first
 */
#include "kindtest.h"

int main(void)
{
	static const char *const names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
					    "/dev/urandom"};
	int dir, file, dev[5];
	char buf[32], path[64];

	KT_SYS(mkdir(kt_path("dir"), 0700));
	KT_SYS(close(KT_SYS(open(kt_path("dir/file"), O_CREAT | O_RDWR, 0600))));
	dir = KT_SYS(open(kt_path("dir"), O_PATH | O_DIRECTORY));
	file = KT_SYS(openat(dir, "file", O_PATH));
	for (int i = 0; i < 5; i++)
		dev[i] = KT_SYS(open(names[i], O_RDWR));
	kt_ready_and_wait();
	KT_EQ(fcntl(dir, F_GETFL) & O_PATH, O_PATH);
	KT_EQ(fcntl(file, F_GETFL) & O_PATH, O_PATH);
	KT_ERR(read(file, buf, 1), EBADF);
	KT_SYS(faccessat(dir, "file", F_OK, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	KT_EQ(KT_SYS(write(KT_SYS(open(path, O_WRONLY)), "x", 1)), 1);
	KT_EQ(KT_SYS(write(dev[0], "x", 1)), 1);
	KT_EQ(read(dev[0], buf, 1), 0);
	buf[0] = 'x';
	KT_EQ(KT_SYS(read(dev[1], buf, 1)), 1);
	KT_EQ(buf[0], 0);
	KT_ERR(write(dev[2], "x", 1), ENOSPC);
	KT_EQ(KT_SYS(read(dev[3], buf, 8)), 8);
	KT_EQ(KT_SYS(read(dev[4], buf, 32)), 32);
	kt_pass();
}
