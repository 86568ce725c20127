/* Shows: tasks that share a descriptor table (CLONE_FILES) share it again.
 *
 *	first ─┬═ clone(CLONE_FILES): what one opens or closes, the other has or misses
 *	       └─ plain child: has a table of its own
 */
#include "kindtest.h"

#include <sched.h>

static int fd;

static int shares(void *arg)
{
	int other;

	kt_mark("shares");
	kt_wait_go();
	other = KT_SYS(open("/dev/zero", O_RDONLY));
	KT_SYS(close(fd));
	KT_EQ(KT_SYS(dup2(other, 77)), 77);
	_exit(0);
}

static void separate(void *arg)
{
	kt_mark("separate");
	kt_wait_go();
	kt_await("closed");
	KT_SYS(fcntl(fd, F_GETFD));
	KT_ERR(fcntl(77, F_GETFD), EBADF);
}

int main(void)
{
	static _Alignas(16) char stack[65536];
	pid_t a, b;
	char c = 1;

	fd = KT_SYS(open("/dev/null", O_RDWR));
	b = kt_child(separate, NULL);
	a = KT_SYS(clone(shares, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL));
	kt_await("shares");
	kt_await("separate");
	kt_ready_and_wait();
	kt_reap_ok(a);
	KT_ERR(fcntl(fd, F_GETFD), EBADF);
	KT_EQ(KT_SYS(read(77, &c, 1)), 1);
	KT_EQ(c, 0);
	kt_mark("closed");
	kt_reap_ok(b);
	kt_pass();
}
