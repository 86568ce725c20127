/* Errors stay one bounded sentence, arrays grow, descriptors are read and written whole. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/vec.h"

static void error_set_fills_everything(void **state)
{
	struct pidspace_error err;
	assert_int_equal(error_set(&err, -EBUSY, "E_RUNNING", "container %s runs", "web"), -EBUSY);
	assert_int_equal(err.status, -EBUSY);
	assert_string_equal(err.code, "E_RUNNING");
	assert_string_equal(err.message, "container web runs");
}

static void error_add_puts_a_phrase_in_front_and_keeps_the_code(void **state)
{
	struct pidspace_error err;
	error_sys(&err, -ENOENT, "cannot open %s", "x");
	assert_int_equal(error_add(&err, -ENOENT, "restoring %d", 7), -ENOENT);
	assert_string_equal(err.code, "E_SYS");
	assert_string_equal(err.message, "restoring 7: cannot open x: No such file or directory");
}

static void error_without_a_place_to_put_it_is_only_a_status(void **state)
{
	assert_int_equal(error_set(NULL, -EIO, "E_SYS", "x"), -EIO);
	assert_int_equal(error_add(NULL, -EIO, "x"), -EIO);
	assert_int_equal(error_sys(NULL, -EIO, "x"), -EIO);
}

static void error_messages_are_cut_not_overrun(void **state)
{
	struct {
		struct pidspace_error err;
		char fence;
	} s = {.fence = 'f'};
	char big[5000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	error_set(&s.err, -EIO, "E_A_CODE_THAT_IS_LONGER_THAN_ITS_PLACE_ALLOWS", "%s", big);
	assert_int_equal(strlen(s.err.message), sizeof s.err.message - 1);
	assert_int_equal(strlen(s.err.code), sizeof s.err.code - 1);
	for (int i = 0; i < 20; i++)
		error_add(&s.err, -EIO, "%s", big);
	assert_int_equal(strlen(s.err.message), sizeof s.err.message - 1);
	error_sys(&s.err, -EIO, "%s", big);
	assert_non_null(strstr(s.err.message, "Input/output error")); /* the reason is never cut off */
	assert_int_equal(s.fence, 'f');
}

static void vec_grows_and_gives_zeroed_elements(void **state)
{
	VEC(struct { uint64_t a, b; }) v = {0};
	for (uint64_t i = 0; i < 1000; i++) {
		__typeof__(v.at) p = vec_push(&v);
		assert_non_null(p);
		assert_int_equal(p->a, 0);
		assert_int_equal(p->b, 0);
		p->a = i;
		p->b = ~i;
	}
	assert_int_equal(v.n, 1000);
	uint64_t i = 0;
	vec_each(p, &v)
	{
		assert_int_equal(p->a, i);
		assert_int_equal(p->b, ~i);
		i++;
	}
	assert_int_equal(i, 1000);
	vec_free(&v);
	assert_int_equal(v.n, 0);
	vec_each(p, &v)
		fail();
}

static void vec_that_cannot_grow_stays_as_it_is(void **state)
{
	/* reallocarray(3) refuses a product that overflows. */
	void *at = NULL;
	size_t n = SIZE_MAX / 2, cap = SIZE_MAX / 2;
	assert_null(vec_grow(&at, &n, &cap, 4096));
	assert_int_equal(n, SIZE_MAX / 2);
	assert_int_equal(cap, SIZE_MAX / 2);
}

static void cleanup_closes_and_take_moves_out(void **state)
{
	int seen, kept;
	{
		_cleanup_close_ int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_close_ int b = open("/dev/null", O_RDONLY | O_CLOEXEC);
		seen = a;
		kept = fd_take(&b);
		assert_int_equal(b, -1);
	}
	assert_int_equal(fcntl(seen, F_GETFD), -1);
	assert_true(fcntl(kept, F_GETFD) >= 0);
	close(kept);
}

struct writer {
	int fd;
	size_t n;
};

static void *write_in_pieces(void *arg)
{
	struct writer *w = arg;
	for (size_t i = 0; i < w->n; i += 1000) {
		char piece[1000];
		memset(piece, (int)(i / 1000 % 251), sizeof piece);
		if (write(w->fd, piece, sizeof piece) != sizeof piece)
			break;
	}
	close(w->fd);
	return NULL;
}

static void read_all_puts_short_reads_together(void **state)
{
	int p[2];
	pthread_t t;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	struct writer w = {p[1], 500000};
	assert_int_equal(pthread_create(&t, NULL, write_in_pieces, &w), 0);
	unsigned char *buf = malloc(w.n + 1);
	assert_int_equal(fd_read_all(p[0], buf, w.n + 1), w.n); /* less than asked: the end */
	for (size_t i = 0; i < w.n; i++)
		if (buf[i] != i / 1000 % 251)
			fail_msg("byte %zu is %d", i, buf[i]);
	pthread_join(t, NULL);
	free(buf);
	close(p[0]);
}

static void write_all_says_that_nobody_reads(void **state)
{
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	signal(SIGPIPE, SIG_IGN);
	close(p[0]);
	char c = 'x';
	assert_int_equal(fd_write_all(p[1], &c, 1), -EPIPE);
	close(p[1]);
	signal(SIGPIPE, SIG_DFL);
}

static void slurp_reads_files_of_any_size(void **state)
{
	const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 8191, 100000};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		_cleanup_close_ int fd = memfd_create("x", MFD_CLOEXEC);
		char path[64], *text = NULL;
		size_t len = 1;
		char *content = calloc(1, sizes[i] + 1);
		memset(content, 'y', sizes[i]);
		assert_int_equal(fd_write_all(fd, content, sizes[i]), sizes[i]);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		assert_int_equal(fd_slurp_at(AT_FDCWD, path, &text, &len), 0);
		assert_int_equal(len, sizes[i]);
		assert_string_equal(text, content);
		free(text);
		free(content);
	}
	char *untouched = (char *)1;
	assert_int_equal(fd_slurp_at(AT_FDCWD, "/nonexistent", &untouched, NULL), -ENOENT);
	assert_ptr_equal(untouched, (char *)1);
}

static void descriptors_travel_over_a_socket(void **state)
{
	int s[2], p[2], got[4] = {-1, -1, -1, -1};
	size_t n = 0;
	char text[16] = "";
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_send_fds(s[0], "hello", 5, p, 2), 5);
	assert_int_equal(fd_recv_fds(s[1], text, sizeof text, got, 4, &n), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(n, 2);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(p[0], text, 1), 1);
	close(got[0]);
	close(got[1]);

	/* More than there is room for: none may be left open behind the caller's back. */
	int before = dup(0);
	close(before);
	assert_int_equal(fd_send_fds(s[0], "x", 1, (int[]){p[0], p[1], p[0]}, 3), 1);
	n = 0;
	ssize_t k = fd_recv_fds(s[1], text, sizeof text, got, 1, &n);
	for (size_t i = 0; k > 0 && i < n; i++)
		close(got[i]);
	int after = dup(0);
	close(after);
	assert_int_equal(before, after);

	close(s[0]);
	assert_int_equal(fd_recv_fds(s[1], text, sizeof text, got, 4, &n), 0);
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_set_fills_everything),
		cmocka_unit_test(error_add_puts_a_phrase_in_front_and_keeps_the_code),
		cmocka_unit_test(error_without_a_place_to_put_it_is_only_a_status),
		cmocka_unit_test(error_messages_are_cut_not_overrun),
		cmocka_unit_test(vec_grows_and_gives_zeroed_elements),
		cmocka_unit_test(vec_that_cannot_grow_stays_as_it_is),
		cmocka_unit_test(cleanup_closes_and_take_moves_out),
		cmocka_unit_test(read_all_puts_short_reads_together),
		cmocka_unit_test(write_all_says_that_nobody_reads),
		cmocka_unit_test(slurp_reads_files_of_any_size),
		cmocka_unit_test(descriptors_travel_over_a_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
