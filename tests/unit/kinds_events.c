/* Pipes, fifos and the descriptors of events keep what they hold, and how it is read. */
#include "kinds_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "base/fd.h"
#include "kernel/sys.h"
#include "kinds/description.h"

static void assert_reads(int fd, const char *text)
{
	char buf[256];
	ssize_t n = read(fd, buf, sizeof buf - 1);

	if (n < 0)
		fail_msg("read: %s", strerror(errno));
	buf[n] = 0;
	assert_string_equal(buf, text);
}

static int waiting(int fd)
{
	int n = -1;

	ioctl(fd, FIONREAD, &n);
	return n;
}

static short revents(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_true(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void make_pipe(int ends[2], int flags)
{
	assert_int_equal(pipe2(ends, O_CLOEXEC | flags), 0);
}

static void close_both(int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static void pipe_keeps_content_and_leaves_it(void **state)
{
	struct bench *b = *state;
	int ends[2], size;

	make_pipe(ends, 0);
	size = fcntl(ends[0], F_SETPIPE_SZ, 32768);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], "hello ", 6), 6);
	assert_int_equal(write(ends[1], "world", 5), 5);
	uint32_t in = bench_meet(b, ends[0]), out = bench_meet(b, ends[1]);
	bench_save(b);
	assert_int_equal(waiting(ends[0]), 11);
	close_both(ends);
	bench_restore(b);
	assert_int_equal(fcntl(bench_fd(b, in), F_GETPIPE_SZ), size);
	assert_int_equal(fcntl(bench_fd(b, out), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
	assert_int_equal(fcntl(bench_fd(b, in), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
	assert_reads(bench_fd(b, in), "hello world");
	assert_int_equal(write(bench_fd(b, out), "more", 4), 4);
	assert_reads(bench_fd(b, in), "more");
}

static void full_pipe_comes_back_full(void **state)
{
	struct bench *b = *state;
	int ends[2];
	char block[4096];

	make_pipe(ends, O_NONBLOCK);
	memset(block, 'x', sizeof block);
	while (write(ends[1], block, sizeof block) > 0)
		;
	int n = waiting(ends[0]);
	assert_true(n >= 4096);
	uint32_t in = bench_meet(b, ends[0]), out = bench_meet(b, ends[1]);
	bench_save(b);
	close_both(ends);
	bench_restore(b);
	assert_int_equal(waiting(bench_fd(b, in)), n);
	assert_int_equal(write(bench_fd(b, out), block, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

static void packets_keep_their_edges(void **state)
{
	struct bench *b = *state;
	int ends[2];

	make_pipe(ends, O_DIRECT);
	assert_int_equal(write(ends[1], "one", 3), 3);
	assert_int_equal(write(ends[1], "two", 3), 3);
	assert_int_equal(write(ends[1], "three", 5), 5);
	uint32_t in = bench_meet(b, ends[0]), out = bench_meet(b, ends[1]);
	bench_save(b);
	close_both(ends);
	bench_restore(b);
	assert_true(fcntl(bench_fd(b, out), F_GETFL) & O_DIRECT);
	assert_reads(bench_fd(b, in), "one");
	assert_reads(bench_fd(b, in), "two");
	assert_reads(bench_fd(b, in), "three");
	assert_int_equal(revents(bench_fd(b, in), POLLIN), 0);
}

static void several_descriptions_of_one_end(void **state)
{
	struct bench *b = *state;
	int ends[2];
	char path[64];

	make_pipe(ends, 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
	int other = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(other >= 0);
	uint32_t in = bench_meet(b, ends[0]), in2 = bench_meet(b, other), out = bench_meet(b, ends[1]);
	bench_save(b);
	close_both(ends);
	close(other);
	bench_restore(b);
	assert_int_equal(write(bench_fd(b, out), "ab", 2), 2);
	char c;
	assert_int_equal(read(bench_fd(b, in), &c, 1), 1);
	assert_int_equal(c, 'a');
	assert_reads(bench_fd(b, in2), "b");
	/* O_NONBLOCK is the description's own. */
	assert_int_equal(read(bench_fd(b, in2), &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(bench_fd(b, in), F_GETFL) & O_NONBLOCK, 0);
}

static void other_end_closed(void **state)
{
	struct bench *b = *state;
	int readable[2], broken[2];

	make_pipe(readable, 0);
	make_pipe(broken, 0);
	assert_int_equal(write(readable[1], "last", 4), 4);
	close(readable[1]);
	close(broken[0]);
	uint32_t in = bench_meet(b, readable[0]), out = bench_meet(b, broken[1]);
	bench_save(b);
	close(readable[0]);
	close(broken[1]);
	bench_restore(b);
	assert_reads(bench_fd(b, in), "last");
	assert_reads(bench_fd(b, in), "");
	assert_true(revents(bench_fd(b, in), POLLIN) & POLLHUP);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write(bench_fd(b, out), "x", 1), -1);
	assert_int_equal(errno, EPIPE);
}

/* One end is met, the other one is "outside": held by this process, but never met. */
static void refuse_half(struct bench *b, int which, bool content)
{
	int ends[2];

	make_pipe(ends, 0);
	if (content)
		assert_int_equal(write(ends[1], "x", 1), 1);
	bench_meet(b, ends[which]);
	bench_save_refused(b, "E_PIPE_OUTSIDE");
	assert_int_equal(b->s.refusals.n, 1);
	close_both(ends);
}

static void reader_outside_is_refused(void **state)
{
	refuse_half(*state, 1, false);
}

static void writer_outside_is_refused(void **state)
{
	refuse_half(*state, 0, false);
}

static void writer_outside_of_a_filled_pipe_is_refused(void **state)
{
	refuse_half(*state, 0, true);
}

static void fifo_keeps_content(void **state)
{
	struct bench *b = *state;

	assert_int_equal(mkfifo(bench_path(b, "fifo"), 0600), 0);
	int in = open(bench_path(b, "fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int out = open(bench_path(b, "fifo"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(out, "through", 7), 7);
	uint32_t in_id = bench_meet(b, in), out_id = bench_meet(b, out);
	bench_save(b);
	close(in);
	close(out);
	bench_restore(b);
	assert_reads(bench_fd(b, in_id), "through");
	assert_int_equal(fcntl(bench_fd(b, out_id), F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(bench_fd(b, in_id), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	/* A third process finds both by the name. */
	int third = open(bench_path(b, "fifo"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write(third, "third", 5), 5);
	close(third);
	assert_reads(bench_fd(b, in_id), "third");
}

static void fifo_without_writer_yet(void **state)
{
	struct bench *b = *state;

	assert_int_equal(mkfifo(bench_path(b, "fifo"), 0600), 0);
	int in = open(bench_path(b, "fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(revents(in, POLLIN), 0);
	uint32_t id = bench_meet(b, in);
	bench_save(b);
	close(in);
	bench_restore(b);
	assert_int_equal(revents(bench_fd(b, id), POLLIN), 0);
	bench_read(b);
	assert_int_equal(unlink(bench_path(b, "fifo")), 0);
	assert_true(bench_precheck(b) > 0);
	assert_string_equal(b->r.refusals.at[0].code, "E_FILE_MISSING");
}

static void eventfd_keeps_count_and_semaphore(void **state)
{
	struct bench *b = *state;
	int plain = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), sem = eventfd(3, EFD_CLOEXEC | EFD_SEMAPHORE);
	uint64_t n = UINT64_MAX - 1;

	assert_int_equal(write(plain, &n, sizeof n), sizeof n);
	uint32_t plain_id = bench_meet(b, plain), sem_id = bench_meet(b, sem);
	bench_save(b);
	close(plain);
	close(sem);
	bench_restore(b);
	assert_int_equal(read(bench_fd(b, plain_id), &n, sizeof n), sizeof n);
	assert_true(n == UINT64_MAX - 1);
	assert_int_equal(read(bench_fd(b, plain_id), &n, sizeof n), -1);
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read(bench_fd(b, sem_id), &n, sizeof n), sizeof n);
		assert_true(n == 1);
	}
	assert_int_equal(revents(bench_fd(b, sem_id), POLLIN), 0);
}

static int timer(int clock, int flags, long value_ms, long interval_ms)
{
	int fd = timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK);
	struct itimerspec t = {{interval_ms / 1000, interval_ms % 1000 * 1000000},
			       {value_ms / 1000, value_ms % 1000 * 1000000}};

	assert_true(fd >= 0);
	assert_int_equal(timerfd_settime(fd, flags, &t, NULL), 0);
	return fd;
}

static void timerfd_keeps_what_is_left(void **state)
{
	struct bench *b = *state;
	struct timespec now;
	struct itimerspec t;
	clock_gettime(CLOCK_REALTIME, &now);
	int once = timer(CLOCK_MONOTONIC, 0, 100000, 0), off = timer(CLOCK_BOOTTIME, 0, 0, 0);
	int real = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			 (long)(now.tv_sec + 1000) * 1000, 0);
	int ticking = timer(CLOCK_MONOTONIC, 0, 1, 1);
	uint64_t ticks;

	while (revents(ticking, POLLIN) == 0)
		;
	nanosleep(&(struct timespec){0, 5000000}, NULL); /* not for order: several ticks are to pass */
	uint32_t once_id = bench_meet(b, once), off_id = bench_meet(b, off), real_id = bench_meet(b, real),
		 ticking_id = bench_meet(b, ticking);
	bench_save(b);
	/* Saving has not read it. */
	assert_int_equal(read(ticking, &ticks, sizeof ticks), sizeof ticks);
	assert_true(ticks >= 5);
	close(once);
	close(off);
	close(real);
	close(ticking);
	bench_restore(b);
	assert_int_equal(timerfd_gettime(bench_fd(b, once_id), &t), 0);
	assert_in_range(t.it_value.tv_sec, 40, 100);
	assert_int_equal(timerfd_gettime(bench_fd(b, off_id), &t), 0);
	assert_int_equal(t.it_value.tv_sec + t.it_value.tv_nsec, 0);
	assert_int_equal(timerfd_gettime(bench_fd(b, real_id), &t), 0);
	assert_in_range(t.it_value.tv_sec, 900, 1000);
	int fd = bench_fd(b, ticking_id);
	assert_int_equal(timerfd_gettime(fd, &t), 0);
	assert_int_equal(t.it_interval.tv_nsec, 1000000);
	assert_int_equal(read(fd, &ticks, sizeof ticks), sizeof ticks);
	assert_true(ticks >= 5);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
}

static void signalfd_keeps_its_mask(void **state)
{
	struct bench *b = *state;
	struct signalfd_siginfo si;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	uint32_t id = bench_meet(b, fd);
	bench_save(b);
	close(fd);
	bench_restore(b);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(raise(i ? SIGRTMIN + 3 : SIGUSR1), 0);
		assert_int_equal(read(bench_fd(b, id), &si, sizeof si), sizeof si);
		assert_int_equal(si.ssi_signo, i ? SIGRTMIN + 3 : SIGUSR1);
	}
	assert_int_equal(read(bench_fd(b, id), &si, sizeof si), -1);
	assert_int_equal(errno, EAGAIN);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void watch(int epfd, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = {.events = events, .data.u64 = data};

	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e), 0);
}

static void assert_event(int epfd, uint32_t events, uint64_t data)
{
	struct epoll_event e;

	assert_int_equal(epoll_wait(epfd, &e, 1, 0), 1);
	assert_int_equal(e.events, events);
	assert_true(e.data.u64 == data);
}

static int count_entries(int epfd, int number)
{
	char *info, key[32];
	int n = 0;

	assert_int_equal(description_own_info(epfd, &info), 0);
	snprintf(key, sizeof key, "tfd: %8d ", number);
	for (char *at = info; (at = strstr(at, key)); at++)
		n++;
	free(info);
	return n;
}

static void epoll_watches_the_same_again(void **state)
{
	struct bench *b = *state;
	int ep = epoll_create1(EPOLL_CLOEXEC), outer = epoll_create1(EPOLL_CLOEXEC), ends[2];
	struct epoll_event e;

	make_pipe(ends, O_NONBLOCK);
	int high = fcntl(ends[1], F_DUPFD_CLOEXEC, 300);
	watch(ep, ends[0], EPOLLIN | EPOLLET, 0x1234567890abcdef);
	watch(ep, high, EPOLLERR, 77);
	watch(outer, ep, EPOLLIN, 5);
	int number = ends[0];
	uint32_t outer_id = bench_meet(b, outer), ep_id = bench_meet(b, ep);
	bench_meet(b, ends[0]);
	uint32_t out = bench_meet(b, ends[1]);
	bench_save(b);
	close_both(ends);
	close(high);
	close(ep);
	close(outer);
	bench_restore(b);
	ep = bench_fd(b, ep_id);
	assert_int_equal(count_entries(ep, number), 1);
	assert_int_equal(count_entries(ep, high), 1);
	assert_int_equal(epoll_wait(ep, &e, 1, 0), 0);
	assert_int_equal(write(bench_fd(b, out), "x", 1), 1);
	assert_event(bench_fd(b, outer_id), EPOLLIN, 5);
	assert_event(ep, EPOLLIN, 0x1234567890abcdef);
	/* Edge-triggered. */
	assert_int_equal(epoll_wait(ep, &e, 1, 0), 0);
}

static void epoll_entry_of_a_reused_number(void **state)
{
	struct bench *b = *state;
	int ep = epoll_create1(EPOLL_CLOEXEC), first[2], second[2];
	struct epoll_event e;

	make_pipe(first, 0);
	make_pipe(second, 0);
	int number = first[0], kept = fcntl(first[0], F_DUPFD_CLOEXEC, 310);
	watch(ep, number, EPOLLIN, 1);
	/* Now the number is the second pipe's, and the entry still the first one's; both are watched. */
	assert_int_equal(dup3(second[0], number, O_CLOEXEC), number);
	watch(ep, number, EPOLLIN, 2);
	uint32_t ep_id = bench_meet(b, ep), out[2];
	bench_meet(b, number);
	bench_meet(b, kept);
	out[0] = bench_meet(b, first[1]);
	out[1] = bench_meet(b, second[1]);
	bench_save(b);
	close(ep);
	close(kept);
	close_both(first);
	close_both(second);
	bench_restore(b);
	ep = bench_fd(b, ep_id);
	assert_int_equal(count_entries(ep, number), 2);
	for (int i = 1; i >= 0; i--) {
		assert_int_equal(write(bench_fd(b, out[i]), "x", 1), 1);
		struct epoll_event got[2];
		int n = epoll_wait(ep, got, 2, 0);
		assert_int_equal(n, 2 - i);
		bool found = false;
		for (int k = 0; k < n; k++)
			found |= got[k].data.u64 == (uint64_t)i + 1;
		assert_true(found);
	}
	(void)e;
}

static void spent_oneshot_stays_spent(void **state)
{
	struct bench *b = *state;
	int ep = epoll_create1(EPOLL_CLOEXEC), ends[2];
	struct epoll_event e;

	make_pipe(ends, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	watch(ep, ends[0], EPOLLIN | EPOLLONESHOT, 9);
	watch(ep, ends[1], EPOLLOUT | EPOLLONESHOT, 10);
	int spent = 0, number = ends[0];
	/* One of the two is spent, the other armed. */
	while (epoll_wait(ep, &e, 1, 0) == 1)
		spent++;
	assert_int_equal(spent, 2);
	e = (struct epoll_event){.events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 10};
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_MOD, ends[1], &e), 0);
	uint32_t ep_id = bench_meet(b, ep), in = bench_meet(b, ends[0]);
	bench_meet(b, ends[1]);
	bench_save(b);
	close(ep);
	close_both(ends);
	bench_restore(b);
	ep = bench_fd(b, ep_id);
	assert_event(ep, EPOLLOUT, 10);
	assert_int_equal(epoll_wait(ep, &e, 1, 0), 0);
	/* Armed anew it fires: the entry is there, with its number. */
	assert_int_equal(dup2(bench_fd(b, in), number), number);
	e = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 11};
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_MOD, number, &e), 0);
	assert_event(ep, EPOLLIN, 11);
	close(number);
}

static void epoll_of_what_nobody_has_is_refused(void **state)
{
	struct bench *b = *state;
	int ep = epoll_create1(EPOLL_CLOEXEC), ends[2];

	make_pipe(ends, 0);
	watch(ep, ends[0], EPOLLIN, 1);
	int number = ends[0], hidden = dup(ends[0]);
	close(number);
	bench_meet(b, ep);
	bench_save_refused(b, "E_EPOLL_OUTSIDE");
	close(hidden);
	close(ends[1]);
	close(ep);
}

static void epoll_of_a_signalfd_is_refused(void **state)
{
	struct bench *b = *state;
	sigset_t set;
	sigemptyset(&set);
	int ep = epoll_create1(EPOLL_CLOEXEC), fd = signalfd(-1, &set, SFD_CLOEXEC);

	watch(ep, fd, EPOLLIN, 1);
	bench_meet(b, ep);
	bench_meet(b, fd);
	bench_save_refused(b, "E_EPOLL_SIGNALFD");
	close(ep);
	close(fd);
}

static void what_cannot_be_carried_is_named(void **state)
{
	struct bench *b = *state;
	const struct {
		int fd;
		const char *code;
	} all[] = {
		{inotify_init1(IN_CLOEXEC), "E_INOTIFY"},
		{sys_pidfd_open(getpid(), 0), "E_PIDFD"},
		{socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "E_NETLINK"},
		{open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), "E_NAMESPACE_FD"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		assert_true(all[i].fd >= 0);
		bench_meet(b, all[i].fd);
		bench_save_refused(b, all[i].code);
		assert_int_equal(b->s.refusals.at[b->s.refusals.n - 1].fd, all[i].fd);
	}
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		close(all[i].fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pipe_keeps_content_and_leaves_it),
		TEST(full_pipe_comes_back_full),
		TEST(packets_keep_their_edges),
		TEST(several_descriptions_of_one_end),
		TEST(other_end_closed),
		TEST(reader_outside_is_refused),
		TEST(writer_outside_is_refused),
		TEST(writer_outside_of_a_filled_pipe_is_refused),
		TEST(fifo_keeps_content),
		TEST(fifo_without_writer_yet),
		TEST(eventfd_keeps_count_and_semaphore),
		TEST(timerfd_keeps_what_is_left),
		TEST(signalfd_keeps_its_mask),
		TEST(epoll_watches_the_same_again),
		TEST(epoll_entry_of_a_reused_number),
		TEST(spent_oneshot_stays_spent),
		TEST(epoll_of_what_nobody_has_is_refused),
		TEST(epoll_of_a_signalfd_is_refused),
		TEST(what_cannot_be_carried_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
