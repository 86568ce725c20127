/* timerfd_create(2). What counts is the time that is left: the container's own CLOCK_MONOTONIC and
 * CLOCK_BOOTTIME stood still since the checkpoint. Only an absolute time of CLOCK_REALTIME stays where it
 * was. */
#include "kinds/kinds.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "kinds/description.h"
#include "kinds/message.h"
#include "timerfd.pb-c.h"

#define NS 1000000000
/* include/uapi/linux/timerfd.h; kernels with CONFIG_CHECKPOINT_RESTORE. */
#define SET_TICKS _IOW('T', 0, uint64_t)

static bool timerfd_claims(const struct save *s, const struct saved_file *f)
{
	return !strcmp(f->link, "anon_inode:[timerfd]");
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static bool read_time(const char *info, const char *key, uint64_t *ret_ns)
{
	const char *v = description_info(info, key);
	uint64_t sec, ns;

	if (!v || sscanf(v, "(%" SCNu64 ", %" SCNu64 ")", &sec, &ns) != 2)
		return false;
	*ret_ns = sec * NS + ns;
	return true;
}

static bool read_info(const char *info, TimerFd *m)
{
	const char *clock = description_info(info, "clockid"), *ticks = description_info(info, "ticks"),
		   *flags = description_info(info, "settime flags");

	if (!clock || !ticks || !flags)
		return false;
	m->clock = atoi(clock);
	m->ticks = strtoull(ticks, NULL, 10);
	m->settime_flags = (uint32_t)strtoul(flags, NULL, 8);
	return read_time(info, "it_value", &m->value_ns) && read_time(info, "it_interval", &m->interval_ns);
}

static int timerfd_save(struct save *s, struct saved_file *f, ProtobufCBinaryData *ret_body,
			struct pidspace_error *err)
{
	_cleanup_free_ char *info = NULL;
	TimerFd m = TIMER_FD__INIT;
	struct itimerspec now;

	/* A periodic timer stands still once it has expired, until somebody looks: this counts the ticks
	 * meanwhile and sets it going again, as a read would (fs/timerfd.c do_timerfd_gettime). */
	if (timerfd_gettime(f->local, &now) < 0)
		return error_sys(err, -errno, "cannot read a timerfd");
	int k = description_own_info(f->local, &info);
	m.saved_ns = now_ns();
	if (k < 0 || !read_info(info, &m))
		return error_sys(err, k < 0 ? k : -ENODATA, "cannot read a timerfd");
	return message_pack(&m.base, ret_body, err);
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / NS), (long)(ns % NS)};
}

static int arm(int fd, const TimerFd *m)
{
	bool real = m->clock == CLOCK_REALTIME || m->clock == CLOCK_REALTIME_ALARM;
	struct itimerspec t = {.it_interval = to_timespec(m->interval_ns),
			       .it_value = to_timespec(m->value_ns)};
	int flags = 0;

	if (!m->value_ns)
		return 0;
	if (real && m->settime_flags & TFD_TIMER_ABSTIME) {
		flags = (int)m->settime_flags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
		t.it_value = to_timespec((uint64_t)m->saved_ns + m->value_ns);
	}
	return timerfd_settime(fd, flags, &t, NULL) < 0 ? -errno : 0;
}

/* Where the kernel cannot set ticks: let one happen. */
static int tick_once(int fd)
{
	struct itimerspec t = {.it_value.tv_nsec = 1};
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (timerfd_settime(fd, 0, &t, NULL) < 0)
		return -errno;
	return poll(&p, 1, 1000) == 1 ? 0 : -ETIMEDOUT;
}

static int timerfd_make(struct restore *r, const OpenFile *f, struct pidspace_error *err)
{
	_cleanup_message_ TimerFd *m =
		message_unpack(&timer_fd__descriptor, f->body.data, f->body.len, "a timerfd", err);

	if (!m)
		return -EBADMSG;
	_cleanup_close_ int fd = timerfd_create(m->clock, TFD_CLOEXEC);
	if (fd < 0)
		return error_sys(err, -errno, "cannot make a timerfd of clock %d", m->clock);
	int k = arm(fd, m);
	uint64_t ticks = m->ticks;
	/* Arming has set ticks to 0. */
	if (!k && ticks && ioctl(fd, SET_TICKS, &ticks) < 0)
		k = m->value_ns ? 0 : tick_once(fd);
	if (!k)
		k = description_set_flags(fd, f->flags);
	return k < 0 ? error_sys(err, k, "cannot set a timerfd of clock %d", m->clock) : fd_take(&fd);
}

const struct fd_kind timerfd_kind = {
	.name = "timerfd",
	.id = KIND_TIMERFD,
	.claims = timerfd_claims,
	.save = timerfd_save,
	.make = timerfd_make,
	.body = &timer_fd__descriptor,
};
