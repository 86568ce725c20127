/* Shows: memfds with seals, mapped: one that nobody may write any more, one that only this mapping may.
 *
 *	first (maps both) ── child (inherited)
 */
#include "kindtest.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static unsigned char *done, *mine;

static void child(void *arg)
{
	kt_mark("child");
	kt_wait_go();
	KT_EQ(done[5000], 5);
	mine[1] = 2;
}

static int make(const char *name)
{
	int fd = KT_SYS(memfd_create(name, MFD_ALLOW_SEALING));

	KT_SYS(ftruncate(fd, 3 * PAGE));
	KT_EQ(pwrite(fd, "\5", 1, 5000), 1);
	return fd;
}

int main(void)
{
	int a = make("done"), b = make("mine");
	char name[64] = "";
	pid_t pid;

	KT_SYS(fcntl(a, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL));
	/* Before Linux 6.7 a sealed object is mapped from a description without write access only. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", a);
	int ro = KT_SYS(open(name, O_RDONLY));
	done = KT_SYS(mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, ro, 0));
	mine = KT_SYS(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, b, 0));
	KT_SYS(fcntl(b, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	mine[0] = 1;
	pid = kt_child(child, NULL);
	kt_await("child");
	kt_ready_and_wait();
	kt_reap_ok(pid);
	KT_EQ(done[5000], 5);
	KT_EQ(mine[0], 1);
	KT_EQ(mine[1], 2);
	KT_EQ(KT_SYS(fcntl(a, F_GET_SEALS)), F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL);
	KT_EQ(KT_SYS(fcntl(b, F_GET_SEALS)), F_SEAL_FUTURE_WRITE);
	KT_ERR(pwrite(a, "x", 1, 0), EPERM);
	KT_ERR(pwrite(b, "x", 1, 0), EPERM);
	KT_ERR(ftruncate(a, 4 * PAGE), EPERM);
	KT_SYS(ftruncate(b, 4 * PAGE));
	kt_pass();
}
