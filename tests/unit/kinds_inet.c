/* TCP sockets come back at the addresses they had, with what was on its way; UDP sockets bound as before. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kind_world.h"
#include "kinds/inet_address.h"

/* A listener, and a connection that it accepted. */
struct server {
	int fd[3];      /* listener, client, accepted */
	uint32_t id[3];
	struct inet_address at[2]; /* of client and accepted */
};

static socklen_t loopback(int family, union inet_sockaddr *a)
{
	struct inet_address v4 = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}}, v6 = {.ip = {[15] = 1}};

	return inet_address_to(family == AF_INET ? v4 : v6, family, 0, a);
}

static int listener(int family)
{
	union inet_sockaddr a;
	socklen_t n = loopback(family, &a);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &a.any, n), 0);
	assert_int_equal(listen(fd, 9), 0);
	return fd;
}

static void start(struct server *s, int family)
{
	union inet_sockaddr a;
	socklen_t n = sizeof a;

	s->fd[0] = listener(family);
	getsockname(s->fd[0], &a.any, &n);
	s->fd[1] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(s->fd[1], &a.any, n), 0);
	s->fd[2] = accept(s->fd[0], NULL, NULL);
	assert_true(s->fd[2] >= 0);
	inet_local(s->fd[1], &s->at[0]);
	inet_local(s->fd[2], &s->at[1]);
}

/* Adds in this order, which is the order of making: "lca" listener, client, accepted. */
static void over(struct world *w, struct server *s, const char *order)
{
	for (const char *p = order; *p; p++) {
		int i = *p == 'l' ? 0 : *p == 'c' ? 1 : 2;
		s->id[i] = world_add(w, s->fd[i]);
	}
	if (world_save(w) < 0)
		fail_msg("%s", w->err.message);
	if (w->s.refusals.n)
		fail_msg("refused: %s %s", w->s.refusals.at[0].code, w->s.refusals.at[0].why);
	world_forget(w, true);
	for (int i = 0; i < 3; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	}
	if (world_restore(w) < 0)
		fail_msg("%s", w->err.message);
	for (int i = 0; i < 3; i++)
		s->fd[i] = s->id[i] ? world_fd(w, s->id[i]) : -1;
}

static void expect_read(int fd, const char *text)
{
	char buf[64];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t got = 0, want = strlen(text);

	do {
		assert_int_equal(poll(&p, 1, 5000), 1);
		ssize_t n = recv(fd, buf + got, sizeof buf - got, MSG_DONTWAIT);
		assert_true(n >= 0);
		if (!n)
			break;
		got += (size_t)n;
	} while (got < want);
	assert_int_equal(got, want);
	assert_memory_equal(buf, text, want);
}

static void expect_same_addresses(const struct server *s)
{
	struct inet_address a;

	assert_int_equal(inet_local(s->fd[1], &a), 0);
	assert_true(inet_address_equal(a, s->at[0]));
	assert_int_equal(inet_peer(s->fd[1], &a), 0);
	assert_true(inet_address_equal(a, s->at[1]));
	assert_int_equal(inet_local(s->fd[2], &a), 0);
	assert_true(inet_address_equal(a, s->at[1]));
	assert_int_equal(inet_peer(s->fd[2], &a), 0);
	assert_true(inet_address_equal(a, s->at[0]));
}

static void both_ends(int family, const char *order)
{
	struct world w;
	struct server s = {0};
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	int on = 1;

	world_init(&w);
	start(&s, family);
	setsockopt(s.fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(s.fd[2], F_SETFL, O_NONBLOCK);
	assert_int_equal(write(s.fd[1], "question", 8), 8);
	assert_int_equal(write(s.fd[2], "ans", 3), 3);
	assert_int_equal(write(s.fd[2], "wer", 3), 3);
	over(&w, &s, order);
	expect_same_addresses(&s);
	expect_read(s.fd[2], "question");
	expect_read(s.fd[1], "answer");
	assert_int_equal(write(s.fd[2], "more", 4), 4);
	expect_read(s.fd[1], "more");
	assert_true(fcntl(s.fd[2], F_GETFL) & O_NONBLOCK);
	on = 0;
	n = sizeof on;
	getsockopt(s.fd[1], IPPROTO_TCP, TCP_NODELAY, &on, &n);
	assert_int_equal(on, 1);
	for (int i = 0; i < 3; i++) {
		getsockopt(s.fd[i], SOL_SOCKET, SO_REUSEADDR, &on, &n);
		assert_int_equal(on, 0);
	}
	/* The listener serves on. */
	n = sizeof a;
	assert_int_equal(getsockname(s.fd[0], &a.any, &n), 0);
	int c = socket(family, SOCK_STREAM, 0);
	assert_int_equal(connect(c, &a.any, n), 0);
	int l = accept(s.fd[0], NULL, NULL);
	assert_true(l >= 0);
	close(l);
	close(c);
	world_done(&w);
}

static void test_listener_first(void **state)
{
	both_ends(AF_INET, "lca");
}

static void test_listener_last(void **state)
{
	both_ends(AF_INET, "acl");
}

static void test_ipv6(void **state)
{
	both_ends(AF_INET6, "alc");
}

/* A listener on all addresses of both families, reached over IPv4. */
static void test_mapped_address(void **state)
{
	struct world w;
	struct server s = {0};
	union inet_sockaddr a = {.v6 = {.sin6_family = AF_INET6}}, b;
	socklen_t n = sizeof a.v6;
	int off = 0;

	world_init(&w);
	s.fd[0] = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(s.fd[0], IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	assert_int_equal(bind(s.fd[0], &a.any, n), 0);
	assert_int_equal(listen(s.fd[0], 3), 0);
	getsockname(s.fd[0], &a.any, &n);
	n = loopback(AF_INET, &b);
	b.v4.sin_port = a.v6.sin6_port;
	s.fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(s.fd[1], &b.any, n), 0);
	s.fd[2] = accept(s.fd[0], NULL, NULL);
	inet_local(s.fd[1], &s.at[0]);
	inet_local(s.fd[2], &s.at[1]);
	assert_int_equal(write(s.fd[1], "mapped", 6), 6);
	over(&w, &s, "cla");
	expect_same_addresses(&s);
	expect_read(s.fd[2], "mapped");
	world_done(&w);
}

static void test_many_clients_of_one_listener(void **state)
{
	enum { N = 20 };
	struct world w;
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	int c[N], s[N];
	uint32_t idc[N], ids[N];
	char text[16];

	world_init(&w);
	int l = listener(AF_INET);
	uint32_t idl = world_add(&w, l);
	getsockname(l, &a.any, &n);
	for (int i = 0; i < N; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(c[i], &a.any, n), 0);
		s[i] = accept(l, NULL, NULL);
		snprintf(text, sizeof text, "client %d", i);
		assert_true(write(c[i], text, strlen(text)) > 0);
		ids[i] = world_add(&w, s[i]);
		idc[i] = world_add(&w, c[i]);
	}
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.s.refusals.n, 0);
	world_forget(&w, true);
	close(l);
	for (int i = 0; i < N; i++) {
		close(s[i]);
		close(c[i]);
	}
	if (world_restore(&w) < 0)
		fail_msg("%s", w.err.message);
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof text, "client %d", i);
		expect_read(world_fd(&w, ids[i]), text);
		assert_int_equal(write(world_fd(&w, ids[i]), text, strlen(text)), strlen(text));
		expect_read(world_fd(&w, idc[i]), text);
	}
	assert_true(world_fd(&w, idl) >= 0);
	world_done(&w);
}

static char byte_at(size_t i)
{
	return (char)(i * 31 + i / 4096);
}

static size_t fill(int fd, size_t limit)
{
	static char data[65536];
	size_t sent = 0;
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	while (sent < limit && poll(&p, 1, 300) == 1) {
		size_t n = limit - sent < sizeof data ? limit - sent : sizeof data;

		for (size_t i = 0; i < n; i++)
			data[i] = byte_at(sent + i);
		ssize_t k = send(fd, data, n, MSG_DONTWAIT);
		if (k <= 0)
			break;
		sent += (size_t)k;
	}
	return sent;
}

static void expect_bytes(int fd, size_t n)
{
	static char data[65536];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t got = 0;

	while (got < n) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		ssize_t k = recv(fd, data, sizeof data, MSG_DONTWAIT);
		assert_true(k > 0);
		for (ssize_t i = 0; i < k; i++)
			if (data[i] != byte_at(got + (size_t)i))
				fail_msg("byte %zu of %zu differs", got + (size_t)i, n);
		got += (size_t)k;
	}
	assert_int_equal(got, n);
}

static void test_much_unread_data(void **state)
{
	struct world w;
	struct server s = {0};

	world_init(&w);
	start(&s, AF_INET);
	assert_int_equal(fill(s.fd[1], 50000), 50000);
	over(&w, &s, "lca");
	expect_bytes(s.fd[2], 50000);
	assert_int_equal(write(s.fd[2], "ok", 2), 2);
	expect_read(s.fd[1], "ok");
	world_done(&w);
}

/* The receiver's buffer is full and the sender's too: what waits to be sent only root can read. */
static void test_window_full(void **state)
{
	struct world w;
	struct server s = {0};

	world_init(&w);
	start(&s, AF_INET);
	size_t n = fill(s.fd[1], SIZE_MAX);
	assert_true(n > 65536);
	if (geteuid() == 0) {
		over(&w, &s, "lca");
		expect_bytes(s.fd[2], n);
		assert_int_equal(write(s.fd[1], "end", 3), 3);
		expect_read(s.fd[2], "end");
	} else {
		for (int i = 0; i < 3; i++)
			world_add(&w, s.fd[i]);
		assert_int_equal(world_save(&w), 0);
		assert_non_null(world_refused(&w, "E_TCP_UNSENT"));
		expect_bytes(s.fd[2], n);
		for (int i = 0; i < 3; i++)
			close(s.fd[i]);
	}
	world_done(&w);
}

/* Root's way of reading the send queue leaves the running connection as it was. */
static void test_saving_consumes_nothing(void **state)
{
	struct world w;
	struct server s = {0};
	int on = 1;
	socklen_t len = sizeof on;

	world_init(&w);
	start(&s, AF_INET);
	setsockopt(s.fd[1], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	size_t n = fill(s.fd[1], SIZE_MAX);
	for (int i = 0; i < 3; i++)
		world_add(&w, s.fd[i]);
	assert_int_equal(world_save(&w), 0);
	getsockopt(s.fd[1], SOL_SOCKET, SO_REUSEADDR, &on, &len);
	assert_int_equal(on, 1);
	expect_bytes(s.fd[2], n);
	assert_int_equal(write(s.fd[1], "end", 3), 3);
	expect_read(s.fd[2], "end");
	for (int i = 0; i < 3; i++)
		close(s.fd[i]);
	world_done(&w);
}

static void test_half_closed(void **state)
{
	struct world w;
	struct server s = {0};

	world_init(&w);
	start(&s, AF_INET);
	assert_int_equal(write(s.fd[1], "last words", 10), 10);
	shutdown(s.fd[1], SHUT_WR);
	over(&w, &s, "lca");
	expect_same_addresses(&s);
	expect_read(s.fd[2], "last words");
	expect_read(s.fd[2], "");
	assert_int_equal(send(s.fd[1], "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(write(s.fd[2], "reply", 5), 5);
	expect_read(s.fd[1], "reply");
	world_done(&w);
}

static void test_peer_closed(void **state)
{
	struct world w;
	struct server s = {0};
	struct inet_address a;

	world_init(&w);
	start(&s, AF_INET);
	assert_int_equal(write(s.fd[1], "bye", 3), 3);
	close(s.fd[1]);
	s.fd[1] = -1;
	/* Until the FIN has arrived it is an ordinary connection. */
	struct pollfd p = {.fd = s.fd[2], .events = POLLRDHUP};
	assert_int_equal(poll(&p, 1, 5000), 1);
	over(&w, &s, "la");
	assert_int_equal(inet_local(s.fd[2], &a), 0);
	assert_true(inet_address_equal(a, s.at[1]));
	assert_int_equal(inet_peer(s.fd[2], &a), 0);
	assert_true(inet_address_equal(a, s.at[0]));
	expect_read(s.fd[2], "bye");
	expect_read(s.fd[2], "");
	world_done(&w);
}

/* Both have shut their side: there is no connection any more, but one has not read all. */
static void test_over_with_unread_data(void **state)
{
	struct world w;
	struct server s = {0};
	struct tcp_info i = {0};
	socklen_t n = sizeof i;

	world_init(&w);
	start(&s, AF_INET);
	assert_int_equal(write(s.fd[1], "rest", 4), 4);
	shutdown(s.fd[1], SHUT_WR);
	shutdown(s.fd[2], SHUT_WR);
	for (int tries = 0; tries < 500; tries++) {
		n = sizeof i;
		getsockopt(s.fd[2], IPPROTO_TCP, TCP_INFO, &i, &n);
		if (i.tcpi_state == TCP_CLOSE)
			break;
		poll(NULL, 0, 10);
	}
	assert_int_equal(i.tcpi_state, TCP_CLOSE);
	over(&w, &s, "lca");
	expect_read(s.fd[2], "rest");
	expect_read(s.fd[2], "");
	expect_read(s.fd[1], "");
	assert_int_equal(send(s.fd[1], "x", 1, MSG_NOSIGNAL), -1);
	world_done(&w);
}

static void test_outside_refused(void **state)
{
	struct world w;
	struct server s = {0};

	world_init(&w);
	start(&s, AF_INET);
	world_add(&w, s.fd[2]);
	assert_int_equal(world_save(&w), 0);
	assert_non_null(world_refused(&w, "E_TCP_OUTSIDE"));
	for (int i = 0; i < 3; i++)
		close(s.fd[i]);
	world_done(&w);
}

static void test_pending_refused(void **state)
{
	struct world w;
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	int l = listener(AF_INET), c = socket(AF_INET, SOCK_STREAM, 0);

	world_init(&w);
	getsockname(l, &a.any, &n);
	assert_int_equal(connect(c, &a.any, n), 0);
	world_add(&w, l);
	world_add(&w, c);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.s.refusals.n, 2);
	assert_string_equal(w.s.refusals.at[0].code, "E_TCP_PENDING");
	assert_string_equal(w.s.refusals.at[1].code, "E_TCP_PENDING");
	close(l);
	close(c);
	world_done(&w);
}

/* Somebody took the port meanwhile: the message names who. */
static void test_address_in_use(void **state)
{
	struct world w;
	union inet_sockaddr a;
	socklen_t n = sizeof a;
	char pid[32];

	world_init(&w);
	int l = listener(AF_INET);
	getsockname(l, &a.any, &n);
	world_add(&w, l);
	assert_int_equal(world_save(&w), 0);
	world_forget(&w, true);
	assert_int_equal(world_restore(&w), -EADDRINUSE);
	assert_string_equal(w.err.code, "E_ADDRESS_IN_USE");
	snprintf(pid, sizeof pid, "process %d (", getpid());
	assert_non_null(strstr(w.err.message, pid));
	close(l);
	world_done(&w);
}

static void test_listener_options(void **state)
{
	struct world w;
	int on = 1, l = socket(AF_INET, SOCK_STREAM, 0), seconds = 7;
	union inet_sockaddr a;
	socklen_t n = loopback(AF_INET, &a);
	struct tcp_info i;

	world_init(&w);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(l, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(l, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
	setsockopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
	assert_int_equal(bind(l, &a.any, n), 0);
	assert_int_equal(listen(l, 17), 0);
	/* A second one of the same port. */
	n = sizeof a;
	getsockname(l, &a.any, &n);
	int m = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(m, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	assert_int_equal(bind(m, &a.any, n), 0);
	assert_int_equal(listen(m, 18), 0);
	uint32_t id = world_add(&w, l), second = world_add(&w, m);
	assert_int_equal(world_save(&w), 0);
	world_forget(&w, true);
	close(l);
	close(m);
	if (world_restore(&w) < 0)
		fail_msg("%s", w.err.message);
	l = world_fd(&w, id);
	static const int want[][3] = {{SOL_SOCKET, SO_REUSEADDR, 1}, {SOL_SOCKET, SO_REUSEPORT, 1},
				      {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 7},
				      {IPPROTO_TCP, TCP_DEFER_ACCEPT, 7}};
	for (size_t k = 0; k < 5; k++) {
		int v = 0;

		n = sizeof v;
		assert_int_equal(getsockopt(l, want[k][0], want[k][1], &v, &n), 0);
		assert_int_equal(v, want[k][2]);
	}
	n = sizeof i;
	getsockopt(l, IPPROTO_TCP, TCP_INFO, &i, &n);
	assert_int_equal(i.tcpi_sacked, 17);
	n = sizeof i;
	getsockopt(world_fd(&w, second), IPPROTO_TCP, TCP_INFO, &i, &n);
	assert_int_equal(i.tcpi_sacked, 18);
	world_done(&w);
}

static void test_unconnected(void **state)
{
	struct world w;
	int fd = socket(AF_INET6, SOCK_STREAM, 0), bound = socket(AF_INET, SOCK_STREAM, 0);
	union inet_sockaddr a;
	socklen_t n = loopback(AF_INET, &a);
	struct inet_address was, is;

	world_init(&w);
	assert_int_equal(bind(bound, &a.any, n), 0);
	inet_local(bound, &was);
	uint32_t id = world_add(&w, fd), id2 = world_add(&w, bound);
	assert_int_equal(world_save(&w), 0);
	world_forget(&w, true);
	close(fd);
	close(bound);
	if (world_restore(&w) < 0)
		fail_msg("%s", w.err.message);
	inet_local(world_fd(&w, id2), &is);
	assert_true(inet_address_equal(was, is));
	struct pollfd p = {.fd = world_fd(&w, id), .events = POLLIN | POLLRDHUP};
	poll(&p, 1, 0);
	assert_int_equal(p.revents, POLLHUP);
	world_done(&w);
}

static void test_udp(void **state)
{
	struct world w;
	union inet_sockaddr a, b;
	socklen_t n = loopback(AF_INET, &a), m;
	int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	char buf[8];

	world_init(&w);
	assert_int_equal(bind(s, &a.any, n), 0);
	getsockname(s, &a.any, &n);
	assert_int_equal(connect(c, &a.any, n), 0);
	setsockopt(c, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
	m = sizeof a;
	getsockname(c, &a.any, &m);
	uint32_t ids = world_add(&w, s), idc = world_add(&w, c);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.s.refusals.n, 0);
	world_forget(&w, true);
	close(s);
	close(c);
	if (world_restore(&w) < 0)
		fail_msg("%s", w.err.message);
	s = world_fd(&w, ids);
	c = world_fd(&w, idc);
	on = 0;
	m = sizeof on;
	getsockopt(c, SOL_SOCKET, SO_BROADCAST, &on, &m);
	assert_int_equal(on, 1);
	assert_int_equal(send(c, "dgram", 5, 0), 5);
	m = sizeof b;
	assert_int_equal(recvfrom(s, buf, sizeof buf, 0, &b.any, &m), 5);
	assert_int_equal(b.v4.sin_port, a.v4.sin_port);
	world_done(&w);
}

static void test_udp_queue_refused(void **state)
{
	struct world w;
	union inet_sockaddr a;
	socklen_t n = loopback(AF_INET, &a);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	world_init(&w);
	assert_int_equal(bind(s, &a.any, n), 0);
	getsockname(s, &a.any, &n);
	assert_int_equal(sendto(s, "x", 1, 0, &a.any, n), 1);
	world_add(&w, s);
	assert_int_equal(world_save(&w), 0);
	assert_non_null(world_refused(&w, "E_UDP_QUEUE"));
	close(s);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener_first),
		cmocka_unit_test(test_listener_last),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_mapped_address),
		cmocka_unit_test(test_many_clients_of_one_listener),
		cmocka_unit_test(test_much_unread_data),
		cmocka_unit_test(test_window_full),
		cmocka_unit_test(test_saving_consumes_nothing),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_peer_closed),
		cmocka_unit_test(test_over_with_unread_data),
		cmocka_unit_test(test_outside_refused),
		cmocka_unit_test(test_pending_refused),
		cmocka_unit_test(test_address_in_use),
		cmocka_unit_test(test_listener_options),
		cmocka_unit_test(test_unconnected),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_udp_queue_refused),
	};

	return cmocka_run_group_tests_name("TCP and UDP sockets", tests, NULL, NULL);
}
