/* Shows: open files of /proc: what tells of the system, and of processes, the own one and another.
 *
 *	first (its own status, the child's comm, meminfo) ── child (its own comm, and both others inherited)
 */
#include "kindtest.h"

static int own, info;

static void child(void *arg)
{
	char text[6] = "";
	int comm = KT_SYS(open("/proc/self/comm", O_RDWR));
	int again = KT_SYS(dup(comm));

	kt_mark("child");
	kt_wait_go();
	KT_EQ(KT_SYS(write(again, "renamed", 7)), 7);
	kt_mark("renamed");
	KT_EQ(lseek(own, 0, SEEK_CUR), 6);
	/* What it tells is still the parent's. */
	KT_EQ(KT_SYS(pread(own, text, 5, 0)), 5);
	KT_STR_EQ(text, "Name:");
	kt_await("done");
}

int main(void)
{
	char buf[64] = "", want[64];
	pid_t pid;

	own = KT_SYS(open("/proc/self/status", O_RDONLY));
	info = KT_SYS(open("/proc/meminfo", O_RDONLY | O_NONBLOCK));
	KT_EQ(KT_SYS(read(own, buf, 6)), 6);
	pid = kt_child(child, NULL);
	snprintf(want, sizeof(want), "/proc/%d/comm", pid);
	int comm = KT_SYS(open(want, O_RDONLY | O_CLOEXEC));
	kt_await("child");
	kt_ready_and_wait();
	KT_EQ(lseek(own, 0, SEEK_CUR), 6);
	KT_EQ(KT_SYS(pread(info, buf, 8, 0)), 8);
	KT_CHECK(!memcmp(buf, "MemTotal", 8));
	KT_EQ(fcntl(info, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	kt_await("renamed");
	memset(buf, 0, sizeof(buf));
	KT_EQ(KT_SYS(read(comm, buf, sizeof(buf))), 8);
	KT_STR_EQ(buf, "renamed\n");
	KT_EQ(fcntl(comm, F_GETFD), FD_CLOEXEC);
	kt_mark("done");
	kt_reap_ok(pid);
	kt_pass();
}
