/* Unix sockets keep what was sent and not read, who is connected to whom, and what was shut. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kind_world.h"

#define BIG 300000

/* Saves both ends, closes the originals, restores; sv then holds the restored ends. */
static void over(struct world *w, int sv[2])
{
	uint32_t id[2];

	for (int i = 0; i < 2; i++)
		id[i] = world_add(w, sv[i]);
	if (world_save(w) < 0)
		fail_msg("%s", w->err.message);
	assert_int_equal(w->s.refusals.n, 0);
	world_forget(w, true);
	for (int i = 0; i < 2; i++)
		close(sv[i]);
	if (world_restore(w) < 0)
		fail_msg("%s", w->err.message);
	for (int i = 0; i < 2; i++)
		sv[i] = world_fd(w, id[i]);
}

static void expect_read(int fd, const char *text)
{
	char buf[256];
	ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void expect_dry(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_stream_both_directions(void **state)
{
	struct world w;
	int sv[2];

	world_init(&w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(write(sv[0], "to one", 6), 6);
	assert_int_equal(write(sv[1], "to ", 3), 3);
	assert_int_equal(write(sv[1], "zero", 4), 4);
	over(&w, sv);
	assert_true(fcntl(sv[0], F_GETFL) & O_NONBLOCK);
	expect_read(sv[1], "to one");
	expect_read(sv[0], "to zero");
	expect_dry(sv[0]);
	expect_dry(sv[1]);
	assert_int_equal(write(sv[0], "again", 5), 5);
	expect_read(sv[1], "again");
	world_done(&w);
}

static void test_stream_beyond_a_buffer(void **state)
{
	struct world w;
	int sv[2], got = 0;
	static char data[BIG], back[BIG];
	size_t sent = 0;

	world_init(&w);
	for (int i = 0; i < BIG; i++)
		data[i] = (char)(i * 7 + i / 1000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	int size = BIG;
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	for (;;) {
		size_t n = BIG - sent < 5000 ? BIG - sent : 5000;
		ssize_t k = n ? send(sv[0], data + sent, n, MSG_DONTWAIT) : 0;
		if (k <= 0)
			break;
		sent += (size_t)k;
	}
	assert_true(sent > 150000);
	over(&w, sv);
	for (ssize_t k; (k = recv(sv[1], back + got, sizeof back - (size_t)got, MSG_DONTWAIT)) > 0;)
		got += (int)k;
	assert_int_equal(got, sent);
	assert_memory_equal(data, back, sent);
	world_done(&w);
}

static void boundaries(int type)
{
	struct world w;
	int sv[2];
	static char big[100000], back[100001];

	memset(big, 'b', sizeof big);
	world_init(&w);
	assert_int_equal(socketpair(AF_UNIX, type, 0, sv), 0);
	assert_int_equal(send(sv[0], "one", 3, 0), 3);
	assert_int_equal(send(sv[0], "", 0, 0), 0);
	assert_int_equal(send(sv[0], "three", 5, 0), 5);
	assert_int_equal(send(sv[0], big, sizeof big, 0), sizeof big);
	assert_int_equal(send(sv[0], "five", 4, 0), 4);
	over(&w, sv);
	expect_read(sv[1], "one");
	expect_read(sv[1], "");
	expect_read(sv[1], "three");
	assert_int_equal(recv(sv[1], back, sizeof back, MSG_DONTWAIT), sizeof big);
	assert_memory_equal(back, big, sizeof big);
	expect_read(sv[1], "five");
	expect_dry(sv[1]);
	world_done(&w);
}

static void test_datagram_boundaries(void **state)
{
	boundaries(SOCK_DGRAM);
}

static void test_seqpacket_boundaries(void **state)
{
	boundaries(SOCK_SEQPACKET);
}

/* The original still has everything, and its own peek offset. */
static void test_saving_consumes_nothing(void **state)
{
	struct world w;
	int sv[2], off = 2;
	socklen_t n = sizeof off;
	char buf[16];

	world_init(&w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	assert_int_equal(write(sv[0], "abcdef", 6), 6);
	assert_int_equal(setsockopt(sv[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off), 0);
	world_add(&w, sv[0]);
	world_add(&w, sv[1]);
	assert_int_equal(world_save(&w), 0);
	off = 0;
	getsockopt(sv[1], SOL_SOCKET, SO_PEEK_OFF, &off, &n);
	assert_int_equal(off, 2);
	assert_int_equal(recv(sv[1], buf, sizeof buf, MSG_PEEK), 4);
	assert_memory_equal(buf, "cdef", 4);
	off = -1;
	setsockopt(sv[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off);
	expect_read(sv[1], "abcdef");
	close(sv[0]);
	close(sv[1]);
	world_done(&w);
}

static void test_half_closed(void **state)
{
	struct world w;
	int sv[2];

	world_init(&w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	assert_int_equal(write(sv[0], "last", 4), 4);
	shutdown(sv[0], SHUT_WR);
	over(&w, sv);
	expect_read(sv[1], "last");
	expect_read(sv[1], "");
	assert_int_equal(send(sv[0], "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(write(sv[1], "back", 4), 4);
	expect_read(sv[0], "back");
	world_done(&w);
}

static void peer_gone(bool unread)
{
	struct world w;
	int sv[2];
	char c;

	world_init(&w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	assert_int_equal(write(sv[0], "rest", 4), 4);
	if (unread)
		assert_int_equal(write(sv[1], "never read", 10), 10);
	close(sv[0]);
	uint32_t id = world_add(&w, sv[1]);
	assert_int_equal(world_save(&w), 0);
	world_forget(&w, true);
	close(sv[1]);
	if (world_restore(&w) < 0)
		fail_msg("%s", w.err.message);
	int fd = world_fd(&w, id);
	expect_read(fd, "rest");
	if (unread) {
		assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, ECONNRESET);
	}
	expect_read(fd, "");
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	world_done(&w);
}

static void test_peer_closed(void **state)
{
	peer_gone(false);
}

static void test_peer_closed_with_unread_data(void **state)
{
	peer_gone(true);
}

static void test_options(void **state)
{
	struct world w;
	int sv[2], on = 1, size = 8192;
	struct timeval tv = {.tv_sec = 3};
	socklen_t n = sizeof on;
	struct ucred c;

	world_init(&w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	over(&w, sv);
	on = 0;
	getsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, &n);
	assert_int_equal(on, 1);
	getsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, &n);
	assert_int_equal(size, 16384);
	tv.tv_sec = 0;
	n = sizeof tv;
	getsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &tv, &n);
	assert_int_equal(tv.tv_sec, 3);
	n = sizeof c;
	assert_int_equal(getsockopt(sv[1], SOL_SOCKET, SO_PEERCRED, &c, &n), 0);
	assert_int_equal(c.uid, geteuid());
	world_done(&w);
}

static void test_descriptors_in_flight_refused(void **state)
{
	struct world w;
	int sv[2], got[2];
	size_t n;
	char c;

	world_init(&w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	assert_int_equal(fd_send_fds(sv[0], "x", 1, sv, 2), 1);
	world_add(&w, sv[0]);
	world_add(&w, sv[1]);
	assert_int_equal(world_save(&w), 0);
	assert_non_null(world_refused(&w, "E_UNIX_SCM"));
	assert_int_equal(fd_recv_fds(sv[1], &c, 1, got, 2, &n), 1);
	assert_int_equal(n, 2);
	close(got[0]);
	close(got[1]);
	close(sv[0]);
	close(sv[1]);
	world_done(&w);
}

static void test_peer_outside_refused(void **state)
{
	struct world w;
	int sv[2];

	world_init(&w);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	world_add(&w, sv[0]);
	assert_int_equal(world_save(&w), 0);
	assert_non_null(world_refused(&w, "E_UNIX_OUTSIDE"));
	close(sv[0]);
	close(sv[1]);
	world_done(&w);
}

static int listener(const char *name, struct sockaddr_un *a, socklen_t *n)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
	memcpy(a->sun_path + (name[0] == '@'), name + (name[0] == '@'), strlen(name));
	if (name[0] == '@')
		--*n;
	assert_int_equal(bind(fd, (struct sockaddr *)a, *n), 0);
	assert_int_equal(listen(fd, 7), 0);
	return fd;
}

/* A server as it stands: listening, one client served, both with data on the way. */
static void named(const char *name)
{
	struct world w;
	struct sockaddr_un a, b;
	socklen_t n, m;
	uint32_t id[3];

	world_init(&w);
	int l = listener(name, &a, &n);
	if (name[0] == '/')
		chmod(name, 0640);
	int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(c, (struct sockaddr *)&a, n), 0);
	int s = accept(l, NULL, NULL);
	assert_int_equal(write(c, "ask", 3), 3);
	assert_int_equal(write(s, "answer", 6), 6);
	id[0] = world_add(&w, l);
	id[1] = world_add(&w, c);
	id[2] = world_add(&w, s);
	if (world_save(&w) < 0)
		fail_msg("%s", w.err.message);
	assert_int_equal(w.s.refusals.n, 0);
	world_forget(&w, true);
	close(l);
	close(c);
	close(s);
	if (world_restore(&w) < 0)
		fail_msg("%s", w.err.message);
	l = world_fd(&w, id[0]);
	c = world_fd(&w, id[1]);
	s = world_fd(&w, id[2]);
	expect_read(s, "ask");
	expect_read(c, "answer");
	m = sizeof b;
	assert_int_equal(getsockname(s, (struct sockaddr *)&b, &m), 0);
	assert_int_equal(m, n);
	assert_memory_equal(&a, &b, n);
	m = sizeof b;
	assert_int_equal(getpeername(c, (struct sockaddr *)&b, &m), 0);
	assert_int_equal(m, n);
	/* The listener still answers under its name. */
	int again = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(again, (struct sockaddr *)&a, n), 0);
	int accepted = accept(l, NULL, NULL);
	assert_true(accepted >= 0);
	close(accepted);
	close(again);
	if (name[0] == '/') {
		struct stat st;
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
		unlink(name);
	}
	world_done(&w);
}

static void test_listening_at_a_path(void **state)
{
	char name[64];

	snprintf(name, sizeof name, "/tmp/kinds_unix.%d", getpid());
	named(name);
}

static void test_listening_at_an_abstract_name(void **state)
{
	char name[64];

	snprintf(name, sizeof name, "@kinds_unix.%d", getpid());
	named(name);
}

static void test_pending_connection_refused(void **state)
{
	struct world w;
	struct sockaddr_un a;
	socklen_t n;
	char name[64];

	snprintf(name, sizeof name, "@kinds_unix.pending.%d", getpid());
	world_init(&w);
	int l = listener(name, &a, &n), c = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(c, (struct sockaddr *)&a, n), 0);
	world_add(&w, l);
	assert_int_equal(world_save(&w), 0);
	assert_non_null(world_refused(&w, "E_UNIX_PENDING"));
	close(l);
	close(c);
	world_done(&w);
}

static void test_unconnected(void **state)
{
	struct world w;

	world_init(&w);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	uint32_t id = world_add(&w, fd);
	assert_int_equal(world_save(&w), 0);
	world_forget(&w, true);
	close(fd);
	assert_int_equal(world_restore(&w), 0);
	fd = world_fd(&w, id);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, ENOTCONN);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_both_directions),
		cmocka_unit_test(test_stream_beyond_a_buffer),
		cmocka_unit_test(test_datagram_boundaries),
		cmocka_unit_test(test_seqpacket_boundaries),
		cmocka_unit_test(test_saving_consumes_nothing),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_peer_closed),
		cmocka_unit_test(test_peer_closed_with_unread_data),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_descriptors_in_flight_refused),
		cmocka_unit_test(test_peer_outside_refused),
		cmocka_unit_test(test_listening_at_a_path),
		cmocka_unit_test(test_listening_at_an_abstract_name),
		cmocka_unit_test(test_pending_connection_refused),
		cmocka_unit_test(test_unconnected),
	};

	return cmocka_run_group_tests_name("unix sockets", tests, NULL, NULL);
}
