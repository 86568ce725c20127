/* Terminals come back under their index with their settings, in a devpts of their own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "kind_world.h"
#include "kinds/terminal.h"

/* --- two file trees with a /dev/pts each: before and after --- */

static char where[] = "/tmp/kinds_terminal.XXXXXX";

static int write_map(const char *path, const char *text)
{
	return fd_write_str_at(AT_FDCWD, path, text);
}

static int own_namespaces(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char text[64];

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return -errno;
	if (uid) {
		write_map("/proc/self/setgroups", "deny");
		snprintf(text, sizeof text, "%u %u 1", uid, uid);
		write_map("/proc/self/uid_map", text);
		snprintf(text, sizeof text, "%u %u 1", gid, gid);
		write_map("/proc/self/gid_map", text);
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int make_tree(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", where, name);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/%s/dev", where, name);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/%s/dev/pts", where, name);
	mkdir(path, 0755);
	if (mount("devpts", path, "devpts", 0, "newinstance,ptmxmode=0666,mode=0620") < 0)
		return -errno;
	snprintf(path, sizeof path, "%s/%s/dev/ptmx", where, name);
	return symlink("pts/ptmx", path) < 0 && errno != EEXIST ? -errno : 0;
}

static int tree_fd(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", where, name);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void remove_tree(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s/dev/pts", where, name);
	umount2(path, MNT_DETACH);
	rmdir(path);
	snprintf(path, sizeof path, "%s/%s/dev/ptmx", where, name);
	unlink(path);
	snprintf(path, sizeof path, "%s/%s/dev", where, name);
	rmdir(path);
	snprintf(path, sizeof path, "%s/%s", where, name);
	rmdir(path);
}

static int set_up(void **state)
{
	if (make_tree("before") < 0 || make_tree("after") < 0)
		return -1;
	struct world *w = malloc(sizeof *w);
	world_init(w);
	close(w->s.root_fd);
	close(w->r.root_fd);
	w->s.root_fd = tree_fd("before");
	w->r.root_fd = tree_fd("after");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_done(*state);
	free(*state);
	remove_tree("before");
	remove_tree("after");
	return 0;
}

/* --- helpers --- */

static int new_master(struct world *w)
{
	int fd = openat(w->s.root_fd, "dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), off = 0;

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TIOCSPTLCK, &off), 0);
	return fd;
}

static int slave_of(int master)
{
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void save(struct world *w)
{
	if (world_save(w) < 0)
		fail_msg("%s", w->err.message);
	if (w->s.refusals.n)
		fail_msg("refused: %s %s", w->s.refusals.at[0].code, w->s.refusals.at[0].why);
	world_forget(w, true);
}

static void restore(struct world *w)
{
	if (world_restore(w) < 0)
		fail_msg("%s", w->err.message);
}

static unsigned index_of(int master)
{
	unsigned n = 99;

	assert_int_equal(ioctl(master, TIOCGPTN, &n), 0);
	return n;
}

static void expect_read(int fd, const char *text)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[128];
	size_t got = 0;

	while (got < strlen(text)) {
		assert_int_equal(poll(&p, 1, 5000), 1);
		ssize_t n = read(fd, buf + got, sizeof buf - got);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, got);
}

/* --- tests --- */

static void test_settings(void **state)
{
	struct world *w = *state;
	struct termios t;
	struct winsize size = {.ws_row = 33, .ws_col = 77};
	struct stat st;
	int m = new_master(w), s = slave_of(m);

	tcgetattr(s, &t);
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	t.c_cc[VINTR] = 'q';
	tcsetattr(s, TCSANOW, &t);
	ioctl(m, TIOCSWINSZ, &size);
	fchmod(s, 0600);
	fcntl(s, F_SETFL, O_NONBLOCK);
	uint32_t im = world_add(w, m), is = world_add(w, s);
	save(w);
	close(m);
	close(s);
	restore(w);
	m = world_fd(w, im);
	s = world_fd(w, is);
	assert_int_equal(index_of(m), 0);
	memset(&t, 0, sizeof t);
	tcgetattr(s, &t);
	assert_int_equal(t.c_lflag & (ECHO | ICANON), 0);
	assert_int_equal(t.c_cc[VINTR], 'q');
	memset(&size, 0, sizeof size);
	ioctl(s, TIOCGWINSZ, &size);
	assert_int_equal(size.ws_row, 33);
	assert_int_equal(size.ws_col, 77);
	fstat(s, &st);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(fcntl(s, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(m, F_GETFL) & O_NONBLOCK);
	assert_int_equal(write(m, "in", 2), 2);
	expect_read(s, "in");
	assert_int_equal(write(s, "out", 3), 3);
	expect_read(m, "out");
}

/* Three terminals, met in no order, one index free between them. */
static void test_indices(void **state)
{
	struct world *w = *state;
	int m[4];
	uint32_t id[4];

	for (int i = 0; i < 4; i++)
		m[i] = new_master(w);
	static const int order[] = {3, 0, 2};
	for (int i = 0; i < 3; i++)
		id[order[i]] = world_add(w, m[order[i]]);
	save(w);
	for (int i = 0; i < 4; i++)
		close(m[i]);
	restore(w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(index_of(world_fd(w, id[order[i]])), order[i]);
	/* The one between is free again. */
	int fd = openat(w->r.root_fd, "dev/ptmx", O_RDWR | O_NOCTTY);
	assert_int_equal(index_of(fd), 1);
	close(fd);
}

static void test_packet_mode_and_exclusive(void **state)
{
	struct world *w = *state;
	int m = new_master(w), s = slave_of(m), on = 1, got = 0;

	ioctl(m, TIOCPKT, &on);
	ioctl(s, TIOCEXCL);
	uint32_t im = world_add(w, m), is = world_add(w, s);
	save(w);
	close(m);
	close(s);
	restore(w);
	assert_int_equal(ioctl(world_fd(w, im), TIOCGPKT, &got), 0);
	assert_int_equal(got, 1);
	assert_int_equal(ioctl(world_fd(w, is), TIOCGEXCL, &got), 0);
	assert_int_equal(got, 1);
}

static void test_slave_never_opened(void **state)
{
	struct world *w = *state;
	int m = new_master(w);
	struct pollfd p = {.events = POLLIN};
	uint32_t id = world_add(w, m);

	save(w);
	close(m);
	restore(w);
	p.fd = world_fd(w, id);
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void test_slave_closed(void **state)
{
	struct world *w = *state;
	int m = new_master(w);
	char c;

	close(slave_of(m));
	uint32_t id = world_add(w, m);
	save(w);
	close(m);
	restore(w);
	assert_int_equal(read(world_fd(w, id), &c, 1), -1);
	assert_int_equal(errno, EIO);
}

static void test_master_closed(void **state)
{
	struct world *w = *state;
	int m = new_master(w), s = slave_of(m);
	char c;

	close(m);
	uint32_t id = world_add(w, s);
	save(w);
	close(s);
	restore(w);
	s = world_fd(w, id);
	assert_int_equal(read(s, &c, 1), 0);
	assert_int_equal(write(s, "x", 1), -1);
	assert_int_equal(errno, EIO);
}

/* The container's own terminal: its master stays outside and changes hands. */
static void test_console(void **state)
{
	struct world *w = *state;
	int m = new_master(w), s = slave_of(m);
	struct external before = {.name = "console", .fd = -1}, after = {.name = "console", .fd = -1};
	struct stat st;

	fstat(s, &st);
	before.dev = st.st_dev;
	before.ino = st.st_ino;
	w->s.externals = &before;
	w->r.externals = &after;
	w->s.n_externals = w->r.n_externals = 1;
	uint32_t id = world_add(w, s), twice = world_add(w, s);
	save(w);
	close(m);
	close(s);
	restore(w);
	assert_true(after.fd >= 0);
	assert_int_equal(write(world_fd(w, id), "hello", 5), 5);
	expect_read(after.fd, "hello");
	assert_int_equal(write(after.fd, "line\n", 5), 5);
	expect_read(world_fd(w, twice), "line\n");
	close(after.fd);
}

static void test_master_outside_refused(void **state)
{
	struct world *w = *state;
	int m = new_master(w), s = slave_of(m);

	world_add(w, s);
	assert_int_equal(world_save(w), 0);
	assert_non_null(world_refused(w, "E_TERMINAL_OUTSIDE"));
	close(m);
	close(s);
}

static void test_host_terminal_refused(void **state)
{
	struct world *w = *state;
	int root = w->s.root_fd;

	w->s.root_fd = w->r.root_fd;
	int m = new_master(w), s = slave_of(m);
	w->s.root_fd = root;
	world_add(w, s);
	assert_int_equal(world_save(w), 0);
	assert_non_null(world_refused(w, "E_TERMINAL_OUTSIDE"));
	close(m);
	close(s);
}

/* A session leader takes it, as the engine lets one do. */
static void test_controlling_terminal(void **state)
{
	struct world *w = *state;
	int m = new_master(w), s = slave_of(m), status;

	world_add(w, m);
	world_add(w, s);
	save(w);
	close(m);
	close(s);
	w->keep_objects = true;
	restore(w);
	int slave = terminal_slave(&w->r, 0, &w->err);
	assert_true(slave >= 0);
	assert_int_equal(terminal_slave(&w->r, 7, &w->err), -ENOENT);
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		if (ioctl(slave, TIOCSCTTY, 0) < 0)
			_exit(1);
		_exit(tcgetpgrp(slave) == getpid() ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What waits on both sides of a raw terminal; the original still has it afterwards. */
static void test_unread_raw(void **state)
{
	struct world *w = *state;
	struct termios t;
	int m = new_master(w), s = slave_of(m);

	tcgetattr(s, &t);
	cfmakeraw(&t);
	tcsetattr(s, TCSANOW, &t);
	assert_int_equal(write(m, "\3\4in\r\n\0x", 8), 8);
	assert_int_equal(write(s, "out\n", 4), 4);
	uint32_t im = world_add(w, m), is = world_add(w, s);
	save(w);
	for (int again = 0; again < 2; again++) {
		char buf[16];

		expect_read(m, "out\n");
		assert_int_equal(read(s, buf, sizeof buf), 8);
		assert_memory_equal(buf, "\3\4in\r\n\0x", 8);
		if (again)
			break;
		close(m);
		close(s);
		restore(w);
		m = world_fd(w, im);
		s = world_fd(w, is);
	}
}

/* Lines stay lines, and one that was only begun can still be edited. */
static void test_unread_lines(void **state)
{
	struct world *w = *state;
	struct termios t;
	int m = new_master(w), s = slave_of(m);
	char buf[64];

	tcgetattr(s, &t);
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_cc[VERASE] = '#';
	tcsetattr(s, TCSANOW, &t);
	assert_int_equal(write(m, "one\ntwo\n\4begux", 14), 14);
	/* Arrived: two lines and an end of file are counted. */
	for (int n = 0, tries = 0; n < 8 && tries < 500; tries++) {
		ioctl(s, FIONREAD, &n);
		poll(NULL, 0, 2);
	}
	uint32_t im = world_add(w, m), is = world_add(w, s);
	save(w);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(read(s, buf, sizeof buf), 4);
		assert_memory_equal(buf, "one\n", 4);
		assert_int_equal(read(s, buf, sizeof buf), 4);
		assert_memory_equal(buf, "two\n", 4);
		assert_int_equal(read(s, buf, sizeof buf), 0);
		struct pollfd p = {.fd = s, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 0), 0);
		assert_int_equal(write(m, "##un\n", 5), 5);
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(read(s, buf, sizeof buf), 6);
		assert_memory_equal(buf, "begun\n", 6);
		tcgetattr(s, &t);
		assert_int_equal(t.c_cc[VERASE], '#');
		assert_true(t.c_lflag & ICANON);
		if (again)
			break;
		close(m);
		close(s);
		restore(w);
		m = world_fd(w, im);
		s = world_fd(w, is);
	}
}

static void test_output_of_a_closed_slave(void **state)
{
	struct world *w = *state;
	int m = new_master(w), s = slave_of(m);
	char c;

	assert_int_equal(write(s, "last words\n", 11), 11);
	close(s);
	uint32_t id = world_add(w, m);
	save(w);
	close(m);
	restore(w);
	expect_read(world_fd(w, id), "last words\r\n");
	assert_int_equal(read(world_fd(w, id), &c, 1), -1);
	assert_int_equal(errno, EIO);
}

static void test_tty_nr(void **state)
{
	assert_int_equal(terminal_index_of(136 << 8 | 5), 5);
	assert_int_equal(terminal_index_of(137 << 8 | 1), 257);
	assert_int_equal(terminal_index_of(4 << 8 | 1), -1);
	assert_int_equal(terminal_index_of(0), -1);
}

#define IN_OWN_DEVPTS(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_OWN_DEVPTS(test_settings),
		IN_OWN_DEVPTS(test_indices),
		IN_OWN_DEVPTS(test_packet_mode_and_exclusive),
		IN_OWN_DEVPTS(test_slave_never_opened),
		IN_OWN_DEVPTS(test_slave_closed),
		IN_OWN_DEVPTS(test_master_closed),
		IN_OWN_DEVPTS(test_console),
		IN_OWN_DEVPTS(test_master_outside_refused),
		IN_OWN_DEVPTS(test_host_terminal_refused),
		IN_OWN_DEVPTS(test_controlling_terminal),
		IN_OWN_DEVPTS(test_unread_raw),
		IN_OWN_DEVPTS(test_unread_lines),
		IN_OWN_DEVPTS(test_output_of_a_closed_slave),
		cmocka_unit_test(test_tty_nr),
	};

	if (!mkdtemp(where) || own_namespaces() < 0)
		return 77; /* meson: skipped */
	int k = cmocka_run_group_tests_name("terminals", tests, NULL, NULL);
	rmdir(where);
	return k;
}
