/* Shows: files that were unlinked while open: content, holes, offset, mode, and two openings of one.
 *
 *	first (read-write, also read-only through /proc) ── child (inherited)
 */
#include "kindtest.h"

enum { HOLE = 3 << 20 };
static int fd;

static void child(void *arg)
{
	kt_mark("child");
	kt_wait_go();
	KT_EQ(KT_SYS(pwrite(fd, "from the child", 14, 100)), 14);
}

int main(void)
{
	static char buf[70000], now[70000];
	char self[64];
	struct stat st;
	pid_t pid;
	int again, empty;

	fd = KT_SYS(open(kt_path("gone"), O_RDWR | O_CREAT, 0640));
	KT_SYS(fchmod(fd, 0604));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = KT_SYS(open(self, O_RDONLY));
	empty = KT_SYS(open(kt_path("empty"), O_RDWR | O_CREAT, 0600));
	KT_SYS(unlink(kt_path("gone")));
	KT_SYS(unlink(kt_path("empty")));
	kt_fill(buf, sizeof(buf), 1);
	KT_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	KT_EQ(pwrite(fd, "end", 3, HOLE), 3);
	KT_EQ(lseek(fd, 4242, SEEK_SET), 4242);
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	KT_EQ(lseek(fd, 0, SEEK_CUR), 4242);
	KT_SYS(fstat(fd, &st));
	KT_EQ(st.st_size, HOLE + 3);
	KT_EQ(st.st_mode & 07777, 0604);
	KT_EQ(st.st_uid, geteuid());
	KT_OP(st.st_blocks * 512, <, 1 << 20); /* the hole is one still */
	kt_reap_ok(pid);
	memcpy((char *)buf + 100, "from the child", 14);
	KT_EQ(KT_SYS(pread(again, now, sizeof(now), 0)), sizeof(now)); /* one file, opened twice */
	KT_CHECK(!memcmp(now, buf, sizeof(now)));
	KT_EQ(KT_SYS(pread(again, now, 10, HOLE)), 3);
	KT_EQ(lseek(empty, 0, SEEK_END), 0);
	KT_ERR(access(kt_path("gone"), F_OK), ENOENT);
	kt_pass();
}
