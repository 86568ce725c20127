/* Shows: timerfds: the time that remains, the interval, and expirations nobody has read yet.
 *
 *	first ─┬─ blocked in a read of one
 *	       └─ holds a far one, one with unread expirations and one that is not armed
 */
#include "kindtest.h"

#include <sys/timerfd.h>

static int armed(clockid_t clock, struct itimerspec t)
{
	int fd = KT_SYS(timerfd_create(clock, TFD_CLOEXEC));

	KT_SYS(timerfd_settime(fd, 0, &t, NULL));
	return fd;
}

static void reads(void *arg)
{
	double began = kt_now();
	int fd = armed(CLOCK_MONOTONIC, (struct itimerspec){.it_value = {2, 400000000}});
	uint64_t n = 0;

	KT_EQ(KT_SYS(read(fd, &n, 8)), 8);
	KT_EQ(n, 1);
	kt_waited("timerfd", began);
}

static void holds(void *arg)
{
	int far = armed(CLOCK_BOOTTIME, (struct itimerspec){{50, 0}, {1000, 0}});
	int unread = armed(CLOCK_MONOTONIC, (struct itimerspec){{1000, 0}, {0, 1}});
	int idle = KT_SYS(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
	struct pollfd p = {.fd = unread, .events = POLLIN};
	struct itimerspec t;
	uint64_t n = 0;

	KT_EQ(KT_SYS(poll(&p, 1, 5000)), 1);
	kt_mark("holds");
	kt_wait_go();
	KT_SYS(timerfd_gettime(far, &t));
	KT_EQ(t.it_interval.tv_sec, 50);
	kt_between("remaining", (double)t.it_value.tv_sec, 980, 1000);
	KT_EQ(KT_SYS(poll(&p, 1, 0)), 1); /* still to be read */
	KT_EQ(KT_SYS(read(unread, &n, 8)), 8);
	KT_EQ(n, 1);
	KT_SYS(timerfd_gettime(unread, &t));
	KT_EQ(t.it_interval.tv_sec, 1000);
	kt_between("next", (double)t.it_value.tv_sec, 980, 1000);
	KT_SYS(timerfd_gettime(idle, &t));
	KT_EQ(t.it_value.tv_sec + t.it_value.tv_nsec, 0);
	KT_ERR(read(idle, &n, 8), EAGAIN);
	KT_EQ(fcntl(far, F_GETFD), FD_CLOEXEC);
}

int main(void)
{
	double began = kt_now();
	pid_t a = kt_child(reads, NULL), b = kt_child(holds, NULL);

	kt_await_syscall(a, a, SYS_read);
	kt_await("holds");
	kt_until_before(began);
	kt_ready_and_wait();
	kt_reap_ok(a);
	kt_reap_ok(b);
	kt_pass();
}
