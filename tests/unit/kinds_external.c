/* What came from outside is replaced by its stand-in, and what waited in it is not lost. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kind_world.h"

static struct external named(const char *name, int identity, int stand_in)
{
	struct external x = {.fd = stand_in};
	struct stat st;

	if (identity >= 0) {
		fstat(identity, &st);
		x.dev = st.st_dev;
		x.ino = st.st_ino;
	}
	strcpy(x.name, name);
	return x;
}

/* Saves fd as the external "x"; stand_in (-1: none) replaces it. The result of world_restore(). */
static int through(struct world *w, int fd, int stand_in, int *ret)
{
	struct external before = named("x", fd, -1);
	static struct external after;
	uint32_t id;

	world_init(w);
	w->s.externals = &before;
	w->s.n_externals = 1;
	after = named("x", -1, stand_in);
	w->r.externals = &after;
	w->r.n_externals = 1;
	id = world_add(w, fd);
	if (world_save(w) < 0)
		fail_msg("%s", w->err.message);
	assert_int_equal(w->s.refusals.n, 0);
	world_forget(w, true);
	int k = world_restore(w);
	*ret = world_fd(w, id);
	return k;
}

static void test_output_pipe(void **state)
{
	struct world w;
	int old[2], new[2], fd;
	char buf[8];

	assert_int_equal(pipe2(old, O_CLOEXEC), 0);
	assert_int_equal(pipe2(new, O_CLOEXEC), 0);
	assert_int_equal(write(old[1], "old", 3), 3);
	assert_int_equal(through(&w, old[1], new[1], &fd), 0);
	assert_int_equal(write(fd, "new", 3), 3);
	assert_int_equal(read(new[0], buf, sizeof buf), 3);
	assert_memory_equal(buf, "new", 3);
	world_done(&w);
	for (int i = 0; i < 2; i++) {
		close(old[i]);
		close(new[i]);
	}
}

static void test_unread_input_comes_first(void **state)
{
	struct world w;
	int old[2], new[2], fd;
	char buf[32];

	assert_int_equal(pipe2(old, O_CLOEXEC), 0);
	assert_int_equal(pipe2(new, O_CLOEXEC), 0);
	assert_int_equal(write(old[1], "typed ahead, ", 13), 13);
	assert_int_equal(through(&w, old[0], new[0], &fd), 0);
	assert_int_equal(write(new[1], "typed after", 11), 11);
	assert_int_equal(read(fd, buf, sizeof buf), 24);
	assert_memory_equal(buf, "typed ahead, typed after", 24);
	/* And the old pipe still has it. */
	assert_int_equal(read(old[0], buf, sizeof buf), 13);
	world_done(&w);
	for (int i = 0; i < 2; i++) {
		close(old[i]);
		close(new[i]);
	}
}

static void test_unread_input_then_end(void **state)
{
	struct world w;
	int old[2], fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char buf[8];

	assert_int_equal(pipe2(old, O_CLOEXEC), 0);
	assert_int_equal(write(old[1], "last", 4), 4);
	assert_int_equal(through(&w, old[0], null, &fd), 0);
	assert_int_equal(read(fd, buf, sizeof buf), 4);
	assert_memory_equal(buf, "last", 4);
	assert_int_equal(read(fd, buf, sizeof buf), 0);
	world_done(&w);
	close(null);
	close(old[0]);
	close(old[1]);
}

static void test_log_goes_on_at_its_end(void **state)
{
	struct world w;
	char path[] = "/tmp/kinds_external.XXXXXX", buf[16];
	int old = mkstemp(path), fd;

	assert_int_equal(write(old, "before ", 7), 7);
	int new = open(path, O_RDWR | O_CLOEXEC);
	unlink(path);
	assert_int_equal(through(&w, old, new, &fd), 0);
	assert_int_equal(write(fd, "after", 5), 5);
	assert_int_equal(pread(new, buf, sizeof buf, 0), 12);
	assert_memory_equal(buf, "before after", 12);
	world_done(&w);
	close(old);
	close(new);
}

static void test_no_stand_in(void **state)
{
	struct world w;
	int p[2], fd;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_true(through(&w, p[1], -1, &fd) < 0);
	assert_string_equal(w.err.code, "E_EXTERNAL");
	assert_non_null(strstr(w.err.message, "--external x=PATH"));
	world_done(&w);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_pipe),
		cmocka_unit_test(test_unread_input_comes_first),
		cmocka_unit_test(test_unread_input_then_end),
		cmocka_unit_test(test_log_goes_on_at_its_end),
		cmocka_unit_test(test_no_stand_in),
	};

	return cmocka_run_group_tests_name("externals", tests, NULL, NULL);
}
