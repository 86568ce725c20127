/* Containers that leave for an image and come back, and those with a terminal: the user's end of them. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <cmocka.h>

#include "containers.h"

static int image_file(void)
{
	char path[100];
	int fd;

	snprintf(path, sizeof path, "/tmp/pidspace-test-image.XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int checkpoint(struct pidspace *p, const char *name, int fd)
{
	struct pidspace_error err = {0};
	struct pidspace_checkpoint o = {.name = name, .image_fd = fd};

	return say(pidspace_checkpoint(p, &o, NULL, NULL, NULL, &err), &err);
}

static int restore(struct pidspace *p, const char *name, int fd)
{
	struct pidspace_error err = {0};
	struct pidspace_restore o = {.name = name, .image_fd = fd, .detach = true,
				     .stdio = {-1, -1, -1}};

	lseek(fd, 0, SEEK_SET);
	return say(pidspace_restore(p, &o, NULL, NULL, NULL, &err), &err);
}

/* A further process and init both come back; the monitor looks after both, so the container can end. */
static int checkpoint_detached_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	struct pidspace_exec x = {.name = "web", .argv = SH("exec sleep 1000"), .detach = true};
	struct pidspace_info info;
	char out[100];
	int fd = image_file(), status;
	pid_t two = 2;

	CHECK(start(p, "web", SH("trap 'echo got $$; exit 12' TERM; echo up; "
				 "while :; do sleep 0.02; done"), false) == 0);
	CHECK(read_log(p, "web", out, sizeof out, 3) >= 3);
	CHECK(pidspace_exec(p, &x, &two, NULL, &err) == 0 && two > 1);
	CHECK(checkpoint(p, "web", fd) == 0);
	CHECK(pidspace_state(p, "web", &info, &err) == -ENOENT);
	CHECK(restore(p, NULL, fd) == 0);
	CHECK(restore(p, NULL, fd) == -EEXIST);
	CHECK(restore(p, "web2", fd) == 0); /* a second one beside it: its pids are its own */
	CHECK(pidspace_delete(p, "web2", true, &err) == 0);
	CHECK(pidspace_state(p, "web", &info, &err) == 0 && info.state == PIDSPACE_RUNNING);
	CHECK(pidspace_kill(p, "web", SIGKILL, &two, 1, false, &err) == 0);
	for (int r = 0; r != -ESRCH;) /* reaped: the number is nobody's */
		r = pidspace_kill(p, "web", 0, &two, 1, false, &err);
	/* ordinary use after a restore survives the monitor's death as before it */
	CHECK(kill(info.monitor_host_pid, SIGKILL) == 0);
	do
		CHECK(pidspace_state(p, "web", &info, &err) == 0);
	while (info.monitor_host_pid);
	CHECK(exec_text(p, "web", SH("echo back"), out, sizeof out, &status, &two) == 0);
	CHECK(!strcmp(out, "back\n") && status == 0);
	CHECK(pidspace_kill(p, "web", SIGTERM, NULL, 0, false, &err) == 0);
	CHECK(pidspace_wait(p, "web", 30000, &status, &err) == 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 12);
	CHECK(read_log(p, "web", out, sizeof out, 6) >= 6 && strstr(out, "got 1\n"));
	CHECK(pidspace_delete(p, "web", false, &err) == 0);
	close(fd);
	return finish(p);
}

/* The one in the foreground returns; what was restored by someone else speaks through new pipes. */
static int checkpoint_foreground_body(void)
{
	struct pidspace *p = registry();
	struct pidspace_error err = {0};
	int fd = image_file(), in[2], out[2], status;
	char line[16] = {0};
	pid_t monitor;

	CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	for (int round = 0; round < 2; round++) {
		monitor = fork();
		if (monitor == 0) {
			struct pidspace_run o = {.name = "web", .stdio = {in[0], out[1], -1},
				.argv = SH("n=0; while read l; do n=$((n+1)); echo $l$n; done; exit 3")};
			struct pidspace_restore b = {.image_fd = fd, .remove = true,
						     .stdio = {in[0], out[1], -1}};
			int r;

			lseek(fd, 0, SEEK_SET);
			close(in[1]);
			r = round ? say(pidspace_restore(p, &b, NULL, NULL, &status, &err), &err)
				  : pidspace_run(p, &o, &status, &err);
			_exit(r == -ECANCELED ? 77 : r < 0 ? 78 : WEXITSTATUS(status));
		}
		CHECK(write(in[1], "a\n", 2) == 2);
		CHECK(fd_read_all(out[0], line, 3) == 3);
		CHECK(!strcmp(line, round ? "a2\n" : "a1\n"));
		if (round == 0) {
			CHECK(checkpoint(p, "web", fd) == 0);
			CHECK(waitpid(monitor, &status, 0) == monitor && WEXITSTATUS(status) == 77);
		}
	}
	close(in[1]); /* end of input goes through to the restored shell */
	CHECK(waitpid(monitor, &status, 0) == monitor && WEXITSTATUS(status) == 3);
	close(fd);
	return finish(p);
}

/* A bad image leaves nothing. */
static int restore_failure_body(void)
{
	struct pidspace *p = registry();
	int fd = image_file();

	CHECK(write(fd, "no image at all, but long enough to be read as a header", 55) == 55);
	CHECK(restore(p, "web", fd) < 0);
	CHECK(start(p, "web", SH("exec sleep 1000"), true) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && checkpoint(p, "web", fd) == 0);
	CHECK(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1) == 0);
	CHECK(restore(p, "web", fd) < 0);
	close(fd);
	return finish(p);
}

/* --- a terminal --- */

static int expect(int fd, char *seen, size_t size, const char *want)
{
	size_t n = 0;

	seen[0] = 0;
	for (int i = 0; i < 3000 && !strstr(seen, want); i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t k = poll(&p, 1, 10) > 0 ? read(fd, seen + n, size - n - 1) : 0;

		n += k > 0 ? (size_t)k : 0;
		seen[n] = 0;
	}
	if (!strstr(seen, want))
		fprintf(stderr, "wanted %s, saw %s\n", want, seen);
	return strstr(seen, want) ? 0 : -1;
}

static int terminal_body(void)
{
	struct pidspace *p = registry();
	struct winsize size = {.ws_row = 33, .ws_col = 101};
	char seen[8000];
	struct termios before, after;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave, status;
	pid_t monitor;

	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(slave >= 0 && tcgetattr(slave, &before) == 0);
	CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
	for (int init = 0; init < 2; init++) {
		monitor = fork();
		if (monitor == 0) {
			struct pidspace_error err = {0};
			struct pidspace_run o = {.name = "tty", .remove = true, .terminal = true,
						 .init = init, .stdio = {slave, slave, slave},
						 .argv = SH("tty; stty size; trap : INT; set -m; "
							    "sh -c 'echo IN''NER; exec sleep 1000'; "
							    "echo st=$?; read l; echo line=$l; "
							    "read l; stty size; exit 5")};

			say(pidspace_run(p, &o, &status, &err), &err);
			_exit(WEXITSTATUS(status));
		}
		CHECK(expect(master, seen, sizeof seen, "INNER") == 0);
		CHECK(strstr(seen, "/dev/pts/0\r\n33 101\r\n"));
		/* ^C reaches the foreground job inside, not us and not the shell */
		CHECK(write(master, "\003", 1) == 1);
		CHECK(expect(master, seen, sizeof seen, "st=130") == 0);
		CHECK(write(master, "typed\r", 6) == 6);
		CHECK(expect(master, seen, sizeof seen, "line=typed") == 0);
		size.ws_row = 44;
		CHECK(ioctl(master, TIOCSWINSZ, &size) == 0 && kill(monitor, SIGWINCH) == 0);
		/* a signal is passed on before what is typed after it */
		CHECK(write(master, "\r", 1) == 1);
		CHECK(expect(master, seen, sizeof seen, "44 101") == 0);
		CHECK(waitpid(monitor, &status, 0) == monitor && WEXITSTATUS(status) == 5);
		CHECK(tcgetattr(slave, &after) == 0 && after.c_lflag == before.c_lflag);
		size.ws_row = 33;
		CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
	}
	return finish(p);
}

BOTH(terminal)
BOTH(checkpoint_detached)
BOTH(checkpoint_foreground)
BOTH(restore_failure)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_TESTS(terminal),
		BOTH_TESTS(checkpoint_detached),
		BOTH_TESTS(checkpoint_foreground),
		BOTH_TESTS(restore_failure),
	};

	return cmocka_run_group_tests_name("container_away", tests, NULL, NULL);
}
