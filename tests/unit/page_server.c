/* Missing pages of a running process: faults are answered, what it does to its memory is followed, and it never
 * sees anything but what was there, whoever dies. Needs root (CAP_SYS_PTRACE). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/sys.h"
#include "kernel/uffd.h"
#include "migrate/page_server.h"

#define PAGE ((size_t)4096)
#define EXTENT (8 * PAGE)
#define EXTENTS ((size_t)4)
#define SIZE (EXTENTS * EXTENT)

/* --- a source of pages: extent i is EXTENT bytes at base + i * EXTENT, the fourth page of each is a zero run; what
 * is beyond EXTENTS lies over the first extent again, younger, and fills only its second page --- */

struct fake {
	struct page_source base;
	uint64_t at;
	size_t bad; /* an extent that cannot be had */
	struct fake_extent {
		uint8_t data[EXTENT];
		struct image_page_run runs[3];
	} extent[EXTENTS + 1];
};

static uint8_t byte_of(size_t number, size_t page)
{
	return (uint8_t)(1 + number * 40 + page);
}

static int fake_begin(struct page_source *s, struct pidspace_error *err)
{
	return 0;
}

static int fake_fetch(struct page_source *s, size_t number, struct image_frame *ret, struct pidspace_error *err)
{
	struct fake *f = (struct fake *)s;
	struct fake_extent *x = &f->extent[number];

	if (number == f->bad)
		return error_set(err, -EBADMSG, "E_IMAGE_CORRUPT", "extent %zu is damaged", number);
	*ret = (struct image_frame){.type = FRAME_PAGES, .runs = x->runs, .data = x->data};
	if (number >= EXTENTS) {
		x->runs[0] = (struct image_page_run){f->at + PAGE, PAGE, false};
		memset(x->data, byte_of(number, 1), PAGE);
		ret->n_runs = 1;
		return 0;
	}
	uint64_t at = f->at + number * EXTENT;
	x->runs[0] = (struct image_page_run){at, 3 * PAGE, false};
	x->runs[1] = (struct image_page_run){at + 3 * PAGE, PAGE, true};
	x->runs[2] = (struct image_page_run){at + 4 * PAGE, 4 * PAGE, false};
	ret->n_runs = 3;
	for (size_t p = 0, k = 0; p < 8; p++)
		if (p != 3)
			memset(x->data + k++ * PAGE, byte_of(number, p), PAGE);
	return 0;
}

static void fake_nothing(struct page_source *s, size_t number)
{
}

static const struct page_source_ops fake_ops = {fake_begin, fake_fetch, fake_nothing, fake_nothing};

/* --- the world of a test: the process whose memory is missing is init of what would be a container --- */

struct world {
	struct fake fake;
	struct page_extent extents[EXTENTS + 1];
	size_t n_extents;
	struct page_server server;
	pid_t init;
	int init_fd, sock;
};

/* Inside it: what is not so ends it with the line's number modulo 256. */
#define CHECK(cond) ((cond) ? (void)0 : _exit(__LINE__ % 255 + 1))

/* A userfaultfd of the calling process, whose memory from at on is missing. -errno. */
static int make_missing(uint8_t *at)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), r = fd < 0 ? -errno : uffd_enable(fd);

	if (r == 0)
		r = uffd_register(fd, (uint64_t)at, (uint64_t)at + SIZE);
	return r < 0 ? r : fd;
}

/* Where everything is missing, in a child that then runs body(at, sock). */
static _Noreturn void be_init(int sock, void (*body)(uint8_t *at, int sock))
{
	uint8_t *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = make_missing(at);
	char c;

	CHECK(uffd >= 0);
	CHECK(fd_send_fds(sock, &at, sizeof at, &uffd, 1) == sizeof at);
	close(uffd);
	CHECK(read(sock, &c, 1) == 1);
	body(at, sock);
	_exit(0);
}

static void start(struct world *w, void (*body)(uint8_t *at, int sock))
{
	struct page_client client = {.space_id = 1, .huge = HUGE_NONE};
	struct page_server_options o = {.source = &w->fake.base, .extents = w->extents, .clients = &client,
					.n_clients = 1, .name = "test", .log_fd = -1};
	int pair[2];
	uint8_t *at;
	size_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	w->init = fork();
	if (w->init == 0) {
		close(pair[0]);
		be_init(pair[1], body);
	}
	close(pair[1]);
	w->sock = pair[0];
	w->init_fd = sys_pidfd_open(w->init, 0);
	assert_int_equal(fd_recv_fds(w->sock, &at, sizeof at, &client.uffd, 1, &n), sizeof at);
	assert_int_equal(n, 1);
	w->fake.base.ops = &fake_ops;
	w->fake.at = (uint64_t)at;
	missing_add(&client.missing, w->fake.at, w->fake.at + SIZE);
	for (size_t i = 0; i < EXTENTS; i++)
		w->extents[i] = (struct page_extent){1, w->fake.at + i * EXTENT,
						     w->fake.at + (i + 1) * EXTENT, false};
	w->extents[EXTENTS] = (struct page_extent){1, w->fake.at + PAGE, w->fake.at + 2 * PAGE, false};
	o.n_extents = w->n_extents ? w->n_extents : EXTENTS;
	o.init = w->init_fd;
	assert_int_equal(page_server_start(&w->server, &o, NULL), 0);
	close(client.uffd);
	missing_done(&client.missing);
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Runs body in it; when that calls fill() everything is pushed. */
static void run(struct world *w, void (*body)(uint8_t *at, int sock))
{
	bool begun = false;
	char c = 0;

	if (!w->fake.bad)
		w->fake.bad = SIZE_MAX;
	start(w, body);
	assert_int_equal(write(w->sock, &c, 1), 1);
	while (read(w->sock, &c, 1) == 1) {
		if (!begun)
			page_server_go(&w->server);
		begun = true;
		if (c == 'f')
			assert_int_equal(page_server_hear(&w->server, NULL), 0);
		assert_int_equal(write(w->sock, &c, 1), 1);
	}
	assert_int_equal(end_of(w->init), 0);
	if (w->server.pid)
		assert_int_equal(page_server_hear(&w->server, NULL), 0);
	close(w->init_fd);
	close(w->sock);
}

/* --- inside --- */

static void ask(int sock, char c)
{
	CHECK(write(sock, &c, 1) == 1);
	CHECK(read(sock, &c, 1) == 1);
}

/* Returns when all memory is there, and when pushing has begun. */
static void fill(int sock)
{
	ask(sock, 'f');
}

static void begin_to_fill(int sock)
{
	ask(sock, 'g');
}

/* Is the page at p, page `page` of extent `number`, as it was? */
static bool whole(const volatile uint8_t *p, size_t number, size_t page)
{
	uint8_t want = page == 3 ? 0 : byte_of(number, page);

	return p[0] == want && p[PAGE - 1] == want;
}

static bool all_whole(const volatile uint8_t *at, size_t from)
{
	for (size_t i = from; i < SIZE / PAGE; i++)
		if (!whole(at + i * PAGE, i / 8, i % 8))
			return false;
	return true;
}

static bool present(const uint8_t *at)
{
	uint64_t entry;
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	CHECK(pread(fd, &entry, 8, (off_t)((uint64_t)at / PAGE * 8)) == 8);
	return entry >> 63;
}

static void check_end(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* --- filling --- */

static void a_fault_is_answered_with_its_extent(uint8_t *at, int sock)
{
	CHECK(!present(at + EXTENT));
	CHECK(whole(at + EXTENT + 5 * PAGE, 1, 5));
	CHECK(whole(at + EXTENT + 3 * PAGE, 1, 3));
	CHECK(!present(at + 3 * EXTENT));
	fill(sock);
	CHECK(all_whole(at, 0));
}

static void everything_is_pushed(uint8_t *at, int sock)
{
	fill(sock);
	CHECK(present(at + 3 * EXTENT)); /* without having been touched */
	CHECK(all_whole(at, 0));
}

static void the_kernel_waits_as_well(uint8_t *at, int sock)
{
	uint8_t buf[PAGE];
	int p[2];

	CHECK(pipe(p) == 0);
	CHECK(write(p[1], at + EXTENT, PAGE) == PAGE);
	CHECK(read(p[0], buf, PAGE) == PAGE);
	CHECK(whole(buf, 1, 0));
	CHECK(write(p[1], "new", 3) == 3);
	CHECK(read(p[0], at + 2 * EXTENT + 16, 3) == 3);
	CHECK(!memcmp(at + 2 * EXTENT + 16, "new", 3));
	CHECK(at[2 * EXTENT + 15] == byte_of(2, 0));
	CHECK(at[2 * EXTENT + 19] == byte_of(2, 0));
	fill(sock);
}

static void what_is_written_is_not_overwritten(uint8_t *at, int sock)
{
	at[EXTENT + 5] = 77;
	at[3 * PAGE + 9] = 78; /* a zero page */
	fill(sock);
	CHECK(at[EXTENT + 5] == 77);
	CHECK(at[EXTENT + 6] == byte_of(1, 0));
	CHECK(at[3 * PAGE + 9] == 78);
}

static void pages_of_closed_mappings_arrive(uint8_t *at, int sock)
{
	CHECK(mprotect(at, EXTENT, PROT_NONE) == 0);
	CHECK(mprotect(at + EXTENT + PAGE, PAGE, PROT_READ) == 0);
	fill(sock);
	CHECK(mprotect(at, SIZE, PROT_READ) == 0);
	CHECK(all_whole(at, 0));
}

/* Also when a fault asks for another page of the older extent. */
static void the_younger_extent_wins(uint8_t *at, int sock)
{
	CHECK(whole(at + 6 * PAGE, 0, 6));
	CHECK(at[PAGE] == byte_of(EXTENTS, 1));
	CHECK(whole(at, 0, 0));
	CHECK(whole(at + 2 * PAGE, 0, 2));
	fill(sock);
	CHECK(at[PAGE] == byte_of(EXTENTS, 1));
}

static void the_younger_extent_wins_when_pushed(uint8_t *at, int sock)
{
	fill(sock);
	CHECK(at[PAGE] == byte_of(EXTENTS, 1));
	CHECK(whole(at, 0, 0));
	CHECK(whole(at + 2 * PAGE, 0, 2));
}

/* --- what a process does to its memory meanwhile --- */

static void dropped_pages_are_zero(uint8_t *at, int sock)
{
	CHECK(whole(at + EXTENT, 1, 0));
	CHECK(madvise(at + EXTENT, PAGE, MADV_DONTNEED) == 0);     /* there */
	CHECK(madvise(at + 2 * EXTENT, 2 * PAGE, MADV_DONTNEED) == 0); /* not yet */
	CHECK(at[EXTENT] == 0);
	CHECK(at[2 * EXTENT] == 0);
	fill(sock);
	CHECK(at[EXTENT] == 0);
	CHECK(at[2 * EXTENT + PAGE] == 0);
	CHECK(whole(at + 2 * EXTENT + 2 * PAGE, 2, 2));
}

static void unmapped_addresses_are_left_alone(uint8_t *at, int sock)
{
	CHECK(munmap(at + EXTENT, 2 * EXTENT) == 0);
	uint8_t *new = mmap(at + EXTENT, EXTENT, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(new[0] == 0);
	fill(sock);
	for (size_t i = 0; i < EXTENT; i += PAGE)
		CHECK(new[i] == 0);
	CHECK(whole(at, 0, 0));
	CHECK(whole(at + 3 * EXTENT, 3, 0));
}

static void moved_pages_arrive_where_they_are(uint8_t *at, int sock)
{
	uint8_t *to = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* larger than it was: the rest is new, and zero */
	CHECK(mremap(at + EXTENT, EXTENT, EXTENT + 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(whole(to + 2 * PAGE, 1, 2));
	CHECK(to[EXTENT + PAGE] == 0);
	/* part of it on, and something new where it was */
	CHECK(mremap(to + 4 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + EXTENT) ==
	      at + EXTENT);
	uint8_t *from = mremap(at + 2 * EXTENT, EXTENT, EXTENT, MREMAP_MAYMOVE | MREMAP_FIXED, to + 2 * EXTENT);
	CHECK(from == to + 2 * EXTENT);
	fill(sock);
	CHECK(whole(at + EXTENT, 1, 4));
	CHECK(whole(at + EXTENT + PAGE, 1, 5));
	for (size_t p = 0; p < 8; p++) {
		if (p < 4 || p > 5)
			CHECK(whole(to + p * PAGE, 1, p));
		CHECK(whole(to + 2 * EXTENT + p * PAGE, 2, p));
	}
	munmap(to, SIZE);
}

static void children_miss_what_their_parent_missed(uint8_t *at, int sock)
{
	CHECK(whole(at + EXTENT, 1, 0));
	pid_t child = fork();
	if (child == 0) {
		madvise(at, PAGE, MADV_DONTNEED); /* the child's alone */
		pid_t grandchild = fork();
		if (grandchild == 0)
			_exit(!all_whole(at, 1));
		int status;
		waitpid(grandchild, &status, 0);
		_exit(status || at[0] ? 2 : 0);
	}
	at[2 * EXTENT] = 99; /* the parent's alone */
	check_end(child);
	child = fork();
	if (child == 0) {
		if (at[2 * EXTENT] != 99)
			_exit(1);
		at[2 * EXTENT] = byte_of(2, 0);
		_exit(!all_whole(at, 0));
	}
	check_end(child);
	at[2 * EXTENT] = byte_of(2, 0);
	fill(sock);
	CHECK(all_whole(at, 0));
}

/* It lives on untouched until everything was pushed into it as well. */
static void children_are_filled_too(uint8_t *at, int sock)
{
	int p[2];
	char c;

	CHECK(pipe(p) == 0);
	pid_t child = fork();
	if (child == 0) {
		close(p[1]);
		(void)!read(p[0], &c, 1);
		if (!present(at + 3 * EXTENT))
			_exit(3);
		_exit(!all_whole(at, 0));
	}
	close(p[0]);
	fill(sock);
	close(p[1]);
	check_end(child);
}

static void those_who_exec_or_exit_are_forgotten(uint8_t *at, int sock)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		if (child == 0) {
			if (i % 2)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		check_end(child);
	}
	CHECK(whole(at + EXTENT, 1, 0));
	fill(sock);
	CHECK(all_whole(at, 0));
}

/* Memory is torn at from all sides while it is pushed: what is left must be right. */
static void a_storm_of_changes_is_followed(uint8_t *at, int sock)
{
	uint8_t *to = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	begin_to_fill(sock);
	pid_t child = fork();
	if (child == 0)
		_exit(!all_whole(at, 0));
	mremap(at + EXTENT, EXTENT, EXTENT, MREMAP_MAYMOVE | MREMAP_FIXED, to + EXTENT);
	madvise(at + 2 * EXTENT, PAGE, MADV_DONTNEED);
	mremap(to + EXTENT, EXTENT, EXTENT, MREMAP_MAYMOVE | MREMAP_FIXED, at + EXTENT);
	munmap(at + 3 * EXTENT, EXTENT);
	mmap(at + 3 * EXTENT, EXTENT, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check_end(child);
	fill(sock);
	for (size_t p = 0; p < 8; p++) {
		CHECK(whole(at + p * PAGE, 0, p));
		CHECK(whole(at + EXTENT + p * PAGE, 1, p));
		CHECK(p == 0 || whole(at + 2 * EXTENT + p * PAGE, 2, p));
		CHECK(at[3 * EXTENT + p * PAGE] == 0);
	}
	CHECK(at[2 * EXTENT] == 0);
}

/* --- whoever dies --- */

static void expect_killed(struct world *w)
{
	int status = end_of(w->init);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(w->init_fd);
	close(w->sock);
}

/* Lets it begin, should it still be alive. */
static void begin(struct world *w)
{
	(void)!send(w->sock, "", 1, MSG_NOSIGNAL);
}

static void touches_all_for_ever(uint8_t *at, int sock)
{
	CHECK(write(sock, "r", 1) == 1);
	for (;;)
		CHECK(all_whole(at, 0));
}

static void pages_that_cannot_be_had_kill(void **state)
{
	struct world w = {.fake.bad = 2};
	struct pidspace_error err = {0};

	start(&w, touches_all_for_ever);
	page_server_go(&w.server);
	begin(&w);
	assert_int_equal(page_server_hear(&w.server, &err), -EBADMSG);
	assert_string_equal(err.code, "E_LAZY_LOST");
	assert_non_null(strstr(err.message, "extent 2 is damaged"));
	expect_killed(&w);
}

/* What the guard is for: before anything was asked for, and in the middle of it. */
static void a_killed_server_takes_the_container_along(void **state)
{
	for (int round = 0; round < 20; round++) {
		struct world w = {.fake.bad = SIZE_MAX};
		struct pidspace_error err = {0};
		char c;

		start(&w, touches_all_for_ever);
		if (round % 2 == 0)
			assert_int_equal(kill(w.server.pid, SIGKILL), 0);
		begin(&w);
		if (round % 2) {
			assert_int_equal(read(w.sock, &c, 1), 1);
			assert_int_equal(kill(w.server.pid, SIGKILL), 0);
		}
		assert_int_equal(page_server_hear(&w.server, &err), -ECHILD);
		assert_string_equal(err.code, "E_LAZY_LOST");
		expect_killed(&w);
	}
}

static void a_monitor_that_dies_before_it_says_go_takes_it_along(void **state)
{
	struct world w = {.fake.bad = SIZE_MAX};

	start(&w, touches_all_for_ever);
	close(w.server.sock);
	expect_killed(&w);
	assert_int_equal(end_of(w.server.pid), 0);
	close(w.server.pidfd);
}

static void waits_for_its_end(uint8_t *at, int sock)
{
	char c;

	(void)!read(sock, &c, 1); /* the server has come to its end */
	CHECK(present(at) && present(at + 3 * EXTENT));
	CHECK(all_whole(at, 0));
}

static void a_monitor_that_dies_later_is_not_missed(void **state)
{
	struct world w = {.fake.bad = SIZE_MAX};

	start(&w, waits_for_its_end);
	page_server_go(&w.server);
	close(w.server.sock);
	assert_int_equal(end_of(w.server.pid), 0);
	assert_int_equal(write(w.sock, "12", 2), 2);
	assert_int_equal(end_of(w.init), 0);
	close(w.init_fd);
	close(w.sock);
	close(w.server.pidfd);
}

static pid_t child_of(pid_t parent)
{
	char path[64];
	int pid = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

static void a_killed_guard_is_replaced(void **state)
{
	struct world w = {.fake.bad = SIZE_MAX};
	pid_t guard, next;

	start(&w, touches_all_for_ever);
	guard = child_of(w.server.pid);
	assert_true(guard > 0);
	assert_int_equal(kill(guard, SIGKILL), 0);
	for (int i = 0; (next = child_of(w.server.pid)) == guard || !next; i++) {
		assert_true(i < 10000);
		poll(NULL, 0, 1);
	}
	/* and does what the first one would have done */
	assert_int_equal(kill(w.server.pid, SIGKILL), 0);
	begin(&w);
	assert_int_equal(page_server_hear(&w.server, NULL), -ECHILD);
	expect_killed(&w);
}

static void the_end_of_the_container_is_the_end_of_the_server(void **state)
{
	struct world w = {.fake.bad = SIZE_MAX};

	start(&w, touches_all_for_ever);
	kill(w.init, SIGKILL);
	assert_int_equal(page_server_hear(&w.server, NULL), 0);
	expect_killed(&w);
}

/* --- */

struct inside {
	void (*body)(uint8_t *at, int sock);
	size_t n_extents;
	int rounds;
};

static void run_inside(void **state)
{
	const struct inside *i = *state;

	for (int k = 0; k < i->rounds; k++) {
		struct world w = {.n_extents = i->n_extents};
		run(&w, i->body);
	}
}

#define INSIDE(body, n, rounds)                                                                    \
	{                                                                                          \
		#body, run_inside, NULL, NULL, &(struct inside){body, n, rounds}                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INSIDE(a_fault_is_answered_with_its_extent, 0, 1),
		INSIDE(everything_is_pushed, 0, 1),
		INSIDE(the_kernel_waits_as_well, 0, 1),
		INSIDE(what_is_written_is_not_overwritten, 0, 1),
		INSIDE(pages_of_closed_mappings_arrive, 0, 1),
		INSIDE(the_younger_extent_wins, EXTENTS + 1, 1),
		INSIDE(the_younger_extent_wins_when_pushed, EXTENTS + 1, 1),
		INSIDE(dropped_pages_are_zero, 0, 1),
		INSIDE(unmapped_addresses_are_left_alone, 0, 1),
		INSIDE(moved_pages_arrive_where_they_are, 0, 1),
		INSIDE(children_miss_what_their_parent_missed, 0, 1),
		INSIDE(children_are_filled_too, 0, 1),
		INSIDE(those_who_exec_or_exit_are_forgotten, 0, 1),
		INSIDE(a_storm_of_changes_is_followed, 0, 20),
		cmocka_unit_test(pages_that_cannot_be_had_kill),
		cmocka_unit_test(a_killed_server_takes_the_container_along),
		cmocka_unit_test(a_monitor_that_dies_before_it_says_go_takes_it_along),
		cmocka_unit_test(a_monitor_that_dies_later_is_not_missed),
		cmocka_unit_test(a_killed_guard_is_replaced),
		cmocka_unit_test(the_end_of_the_container_is_the_end_of_the_server),
	};
	int r = uffd_allowed();

	if (r < 0) {
		printf("1..0 # skip userfaultfd with fork events needs CAP_SYS_PTRACE: %s\n", strerror(-r));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
