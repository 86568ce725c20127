/* A stream that cannot be written: the next call and the commit say so, nothing kills, nothing hangs. */
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/image.h"

#define PAGE ((size_t)4096)

/* Writes blocks of noise until a call fails, at most n of them. */
static int write_noise(struct image_writer *w, unsigned n, struct pidspace_error *err)
{
	struct image_run run = {0x10000, IMAGE_BLOCK};
	uint64_t v = 1;
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++) {
		uint64_t *p = image_page_buffer(w);
		assert_non_null(p);
		for (size_t k = 0; k < IMAGE_BLOCK / 8; k += 8)
			p[k] = v = v * 6364136223846793005ULL + 1;
		r = image_write_pages(w, 1, 0, p, &run, 1, err);
		run.address += IMAGE_BLOCK;
	}
	return r;
}

/* It fails with status, and goes on failing with the same words. */
static void expect_failure(int fd, int status, const char *words)
{
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
		struct image_writer *w = NULL;
		struct pidspace_error err = {0}, again = {0};

		int r = image_writer_new(&w, fd, c, &err);
		if (r == 0) {
			r = write_noise(w, 12, &err);
			if (r == 0)
				r = image_commit(w, &err);
			assert_int_equal(image_commit(w, &again), status);
			assert_string_equal(again.message, err.message);
			assert_int_equal(image_write(w, FRAME_HOST, "x", 1, &again), status);
			assert_int_equal(write_noise(w, 1, &again), status);
		}
		assert_int_equal(r, status);
		assert_string_equal(err.code, "E_IMAGE_WRITE");
		if (!strstr(err.message, words))
			fail_msg("\"%s\" lacks \"%s\"", err.message, words);
		image_writer_free(w);
	}
}

static void no_signal_is_left(int sig)
{
	sigset_t pending;

	sigpending(&pending);
	assert_false(sigismember(&pending, sig));
}

static void full_device(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	expect_failure(fd, -ENOSPC, "make room");
	close(fd);
}

static void file_size_limit(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct rlimit old, small;

	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 3 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	expect_failure(fd, -EFBIG, "ulimit -f");
	setrlimit(RLIMIT_FSIZE, &old);
	no_signal_is_left(SIGXFSZ);
	close(fd);
}

static void closed_pipe(void **state)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	expect_failure(p[1], -EPIPE, "has gone");
	no_signal_is_left(SIGPIPE);
	close(p[1]);
}

static void closed_socket(void **state)
{
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	close(p[0]);
	expect_failure(p[1], -EPIPE, "has gone");
	no_signal_is_left(SIGPIPE);
	close(p[1]);
}

static void not_writable(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	expect_failure(fd, -EBADF, "byte 0");
	close(fd);
}

/* The reader stands still and the writer is given up: its threads end. Linux 6.4 can do that on a pipe
 * (RWF_NOWAIT), a socket always could. */
static void given_up(void **state)
{
	struct image_writer *w;
	struct pidspace_error err;
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	assert_int_equal(image_writer_new(&w, p[1], IMAGE_NONE, &err), 0);
	assert_int_equal(write_noise(w, 3, &err), 0);
	image_writer_free(w);
	close(p[0]);
	close(p[1]);
}

/* Whoever wants the image goes away when the pipe is full and everybody waits for its reader. */
static void asker_of_pipe_gone(const int p[2])
{
	struct image_writer *w;
	struct pidspace_error err = {0};
	int s[2];
	pid_t child;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct pollfd full = {.fd = p[1], .events = POLLOUT};
		while (poll(&full, 1, 0) > 0)
			sched_yield();
		_exit(0);
	}
	close(s[1]);
	assert_int_equal(image_writer_open(&w, p[1], &(struct image_options){.asker = s[0]}, &err), 0);
	assert_int_equal(write_noise(w, 50, &err), -ECANCELED);
	assert_string_equal(err.code, "E_CANCELED");
	image_writer_free(w);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* a file never waits, and is given up all the same */
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(image_writer_open(&w, fd, &(struct image_options){.asker = s[0]}, &err), -ECANCELED);
	close(fd);
	close(s[0]);
	close(p[0]);
	close(p[1]);
}

static void asker_gone(void **state)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	asker_of_pipe_gone(p);
}

/* A pipe with a name is another thing to write to: it does not know RWF_NOWAIT. */
static void asker_gone_at_fifo(void **state)
{
	char dir[] = "/tmp/image-XXXXXX", path[64];
	int p[2];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	p[0] = open(path, O_RDWR | O_CLOEXEC);
	p[1] = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(p[0] >= 0 && p[1] >= 0);
	unlink(path);
	rmdir(dir);
	asker_of_pipe_gone(p);
}

/* A reader that is given up while nothing comes. */
static void reader_given_up(void **state)
{
	struct image_writer *w;
	struct image_reader *r;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(image_writer_new(&w, p[1], IMAGE_NONE, NULL), 0);
	assert_int_equal(image_reader_new(&r, p[0], NULL), 0);
	assert_int_equal(image_reader_read_ahead(r), 1);
	image_reader_free(r);
	image_writer_free(w);
	close(p[0]);
	close(p[1]);
}

/* Without commit the stream is not whole, however much of it was written. */
static void no_commit(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	struct image_reader *r;
	struct image_frame f;
	struct pidspace_error err;
	int status;

	assert_int_equal(image_writer_new(&w, fd, IMAGE_NONE, &err), 0);
	assert_int_equal(write_noise(w, 8, &err), 0);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(image_reader_new(&r, fd, &err), 0);
	while ((status = image_next(r, &f, &err)) > 0)
		;
	assert_int_equal(status, -ENODATA);
	assert_string_equal(err.code, "E_IMAGE_TRUNCATED");
	image_reader_free(r);
	close(fd);
}

/* More than may be ahead of the disk, a start in the middle of a file: what is there at the end is whole. */
static void brought_to_its_disk(void **state)
{
	FILE *file = tmpfile();
	struct image_writer *w;
	struct image_reader *r;
	struct image_frame f;
	struct pidspace_error err;
	int status, fd = fileno(file);

	assert_int_equal(lseek(fd, 12345, SEEK_SET), 12345);
	assert_int_equal(image_writer_open(&w, fd, &(struct image_options){.sync = true}, &err), 0);
	assert_int_equal(write_noise(w, 50, &err), 0);
	assert_int_equal(image_commit(w, &err), 0);
	image_writer_free(w);
	lseek(fd, 12345, SEEK_SET);
	assert_int_equal(image_reader_new(&r, fd, &err), 0);
	while ((status = image_next(r, &f, &err)) > 0)
		;
	assert_int_equal(status, 0);
	image_reader_free(r);
	fclose(file);
}

/* A pipe has no disk. */
static void a_pipe_is_not_synced(void **state)
{
	int p[2];
	struct image_writer *w;
	struct pidspace_error err;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(image_writer_open(&w, p[1], &(struct image_options){.sync = true}, &err), 0);
	assert_int_equal(image_commit(w, &err), 0);
	image_writer_free(w);
	close(p[0]);
	close(p[1]);
}

/* Runs that are not whole pages of one buffer are the caller's mistake; the stream stays good. */
static void wrong_runs(void **state)
{
	static const struct image_run wrong[][2] = {
		{{1, PAGE}}, {{0, 1}}, {{0, 0}}, {{-PAGE, 2 * PAGE}}, {{0, IMAGE_BLOCK + PAGE}},
	};
	const struct image_run too_much[] = {{0, IMAGE_BLOCK}, {IMAGE_BLOCK, PAGE}};
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_writer *w;
	struct image_reader *r;
	struct image_frame f;
	struct pidspace_error err;

	assert_int_equal(image_writer_new(&w, fd, IMAGE_NONE, &err), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(
			image_write_pages(w, 1, 0, image_page_buffer(w), wrong[i], 1, &err),
			-EINVAL);
	assert_int_equal(image_write_pages(w, 1, 0, image_page_buffer(w), too_much, 2, &err),
			 -EINVAL);
	assert_int_equal(image_write_pages(w, 1, 0, &err, too_much, 1, &err), -EINVAL);
	assert_int_equal(image_write_pages(w, 1, 0, image_page_buffer(w), NULL, 0, &err), 0);
	assert_int_equal(image_write(w, FRAME_COMMIT, "", 0, &err), -EINVAL);
	assert_int_equal(image_commit(w, &err), 0);
	assert_int_equal(image_commit(w, &err), -EINVAL);
	image_writer_free(w);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(image_reader_new(&r, fd, &err), 0);
	assert_int_equal(image_next(r, &f, &err), 0);
	image_reader_free(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_device),	   cmocka_unit_test(file_size_limit),
		cmocka_unit_test(closed_pipe),	   cmocka_unit_test(closed_socket),
		cmocka_unit_test(not_writable),	   cmocka_unit_test(given_up), cmocka_unit_test(asker_gone),
		cmocka_unit_test(asker_gone_at_fifo),
		cmocka_unit_test(reader_given_up), cmocka_unit_test(no_commit),
		cmocka_unit_test(brought_to_its_disk),
		cmocka_unit_test(a_pipe_is_not_synced),
		cmocka_unit_test(wrong_runs),
	};
	return cmocka_run_group_tests_name("image_write_errors", tests, NULL, NULL);
}
