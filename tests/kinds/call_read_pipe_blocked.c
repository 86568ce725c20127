/* Shows: a read from an empty pipe and a write to a full one are still under way.
 *
 *	first ─┬─ reads
 *	       └─ writes to a full one (all of it at once: a write that has begun ends with what it has written)
 */
#include "kindtest.h"

enum { MUCH = 65536 + 4096 };
static int empty[2], full[2];
static char buf[MUCH], got[MUCH];

static void reads(void *arg)
{
	char b[16] = "";

	KT_EQ(KT_SYS(read(empty[0], b, sizeof(b))), 6);
	KT_STR_EQ(b, "hello");
}

static void writes(void *arg)
{
	KT_EQ(KT_SYS(write(full[1], buf + 65536, 4096)), 4096);
}

int main(void)
{
	pid_t a, b;
	size_t n = 0;

	kt_fill(buf, MUCH, 3);
	KT_SYS(pipe(empty));
	KT_SYS(pipe(full));
	KT_EQ(fcntl(full[1], F_GETPIPE_SZ), 65536);
	KT_EQ(KT_SYS(write(full[1], buf, 65536)), 65536);
	a = kt_child(reads, NULL);
	b = kt_child(writes, NULL);
	kt_await_syscall(a, a, SYS_read);
	kt_await_syscall(b, b, SYS_write);
	kt_ready_and_wait();
	kt_await_syscall(a, a, SYS_read);
	kt_await_syscall(b, b, SYS_write);
	KT_EQ(KT_SYS(write(empty[1], "hello", 6)), 6);
	while (n < MUCH)
		n += (size_t)KT_SYS(read(full[0], got + n, MUCH - n));
	kt_check_fill("what came through the pipe", got, MUCH, 3);
	kt_reap_ok(a);
	kt_reap_ok(b);
	KT_SYS(fcntl(full[0], F_SETFL, O_NONBLOCK));
	KT_ERR(read(full[0], got, 1), EAGAIN); /* nothing came twice */
	kt_pass();
}
