/* Shows: a full pipe is full again, of the same size, also one whose size was changed.
 *
 *	first (both ends of an ordinary and of a large pipe)
 */
#include "kindtest.h"

static int p[2], large[2];
static char buf[1 << 20];

static size_t fill(int fd)
{
	size_t n = 0;
	ssize_t r;

	while ((r = write(fd, buf + n, 4096)) > 0)
		n += (size_t)r;
	KT_EQ(errno, EAGAIN);
	return n;
}

static void drain(int fd, size_t len)
{
	static char got[1 << 20];

	memset(got, 0, sizeof(got));
	for (size_t n = 0; n < len;)
		n += (size_t)KT_SYS(read(fd, got + n, len - n));
	KT_CHECK(!memcmp(got, buf, len));
	KT_ERR(read(fd, got, 1), EAGAIN);
}

int main(void)
{
	size_t n, m;
	int size;

	kt_fill(buf, sizeof(buf), 5);
	KT_SYS(pipe2(p, O_NONBLOCK));
	KT_SYS(pipe2(large, O_NONBLOCK));
	size = KT_SYS(fcntl(large[1], F_SETPIPE_SZ, 256 << 10));
	n = fill(p[1]);
	m = fill(large[1]);
	KT_EQ(m, size);
	kt_ready_and_wait();
	KT_EQ(fcntl(large[0], F_GETPIPE_SZ), size);
	KT_ERR(write(p[1], "x", 1), EAGAIN);
	KT_ERR(write(large[1], "x", 1), EAGAIN);
	drain(p[0], n);
	drain(large[0], m);
	KT_EQ(fill(large[1]), m);
	kt_pass();
}
