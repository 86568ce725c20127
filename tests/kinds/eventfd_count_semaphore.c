/* Shows: eventfds keep their count and whether they are semaphores, and stay shared.
 *
 *	first (plain 41, semaphore 3, empty) ── child, blocked reading the empty one
 */
#include "kindtest.h"

#include <sys/eventfd.h>

static int empty;

static void child(void *arg)
{
	eventfd_t v = 0;

	KT_SYS(eventfd_read(empty, &v));
	KT_EQ(v, 99);
}

int main(void)
{
	int plain = KT_SYS(eventfd(41, EFD_NONBLOCK | EFD_CLOEXEC));
	int sem = KT_SYS(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	int huge = KT_SYS(eventfd(0, EFD_NONBLOCK));
	eventfd_t v = 0;
	pid_t pid;

	empty = KT_SYS(eventfd(0, 0));
	KT_SYS(eventfd_write(huge, 0xfffffffffffffffe));
	pid = kt_child(child, NULL);
	kt_await_syscall(pid, pid, SYS_read);
	kt_ready_and_wait();
	KT_SYS(eventfd_read(plain, &v));
	KT_EQ(v, 41);
	KT_ERR(eventfd_read(plain, &v), EAGAIN);
	for (int i = 0; i < 3; i++) {
		KT_SYS(eventfd_read(sem, &v));
		KT_EQ(v, 1);
	}
	KT_ERR(eventfd_read(sem, &v), EAGAIN);
	KT_ERR(eventfd_write(huge, 1), EAGAIN);
	KT_SYS(eventfd_read(huge, &v));
	KT_EQ(v, 0xfffffffffffffffe);
	KT_EQ(fcntl(plain, F_GETFD), FD_CLOEXEC);
	KT_SYS(eventfd_write(empty, 99));
	kt_reap_ok(pid);
	kt_pass();
}
