/* What a program does that a container may slow down, measured from the inside: starting the container is not counted.
 * Prints the seconds that one pass took (for calls: nanoseconds of one).
 * usage: boundary run COMMAND...          one run of a command
 *        boundary getpid | trapped N      N calls, through syscall(2) or from a place that cannot be patched
 *        boundary compute | memory | file N
 *        boundary echo | messages N       N round trips over loopback between two processes that use epoll_wait(2),
 *                                         with read and write, or sendmsg and recvmsg */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Its output is thrown away; ours is the figure. */
static void run(char **command)
{
	int status, null;
	pid_t pid = fork();

	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		execvp(command[0], command);
		fail(command[0]);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		exit(1);
}

static void getpid_often(long n)
{
	while (n--)
		syscall(SYS_getpid);
}

/* The bytes before the syscall instruction are none that the short way (src/virtual/shim/patch.c) can replace. */
static void getpid_trapped(long n)
{
	while (n--) {
		long ret;
		__asm__ volatile("nop; nop; nop; nop; nop; syscall" : "=a"(ret) : "a"(SYS_getpid) : "rcx", "r11", "memory");
	}
}

static void compute(long n)
{
	volatile double kept;
	double x = 0.5;
	uint64_t bits = 1;

	while (n--) {
		x = 3.7 * x * (1 - x);
		bits = bits * 6364136223846793005u + 1442695040888963407u;
	}
	kept = x + (double)bits;
	(void)kept;
}

/* n MiB of fresh memory, page by page, and given back. */
static void memory(long n)
{
	size_t bytes = (size_t)n << 20;

	for (int round = 0; round < 4; round++) {
		char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap");
		madvise(p, bytes, MADV_NOHUGEPAGE);
		for (size_t i = 0; i < bytes; i += 4096)
			p[i] = 1;
		munmap(p, bytes);
	}
}

/* n MiB written and read again, 4 KiB at a time. */
static void file(long n)
{
	char path[] = "bench-boundary-XXXXXX", block[4096] = {1};
	int fd = mkstemp(path);

	if (fd < 0)
		fail("mkstemp");
	unlink(path);
	for (long i = 0; i < n << 8; i++)
		if (write(fd, block, sizeof block) != sizeof block)
			fail("write");
	lseek(fd, 0, SEEK_SET);
	while (read(fd, block, sizeof block) == sizeof block)
		;
	close(fd);
}

/* 64 bytes one way. */
static int pass(int fd, bool messages, bool out)
{
	char bytes[64] = {0};
	struct iovec v = {bytes, sizeof bytes};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	if (messages)
		return (int)(out ? sendmsg(fd, &m, MSG_NOSIGNAL) : recvmsg(fd, &m, 0));
	return (int)(out ? write(fd, bytes, sizeof bytes) : read(fd, bytes, sizeof bytes));
}

static void converse(int fd, bool messages, bool first, long n)
{
	struct epoll_event e = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	while (n--) {
		if (first && pass(fd, messages, true) <= 0)
			fail("send");
		if (epoll_wait(epoll, &e, 1, -1) != 1 || pass(fd, messages, false) <= 0)
			fail("receive");
		if (!first && pass(fd, messages, true) <= 0)
			fail("answer");
	}
}

static double echo(bool messages, long n)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	double began;
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 1) < 0)
		fail("listen");
	getsockname(listener, (struct sockaddr *)&at, &len);
	pid = fork();
	if (pid == 0) {
		converse(accept(listener, NULL, NULL), messages, false, n);
		_exit(0);
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&at, len) < 0)
		fail("connect");
	began = now();
	converse(fd, messages, true, n);
	began = now() - began;
	waitpid(pid, NULL, 0);
	return began;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 0;
	double began = now(), per = 1, took = 0;

	if (strcmp(what, "run") == 0)
		run(argv + 2);
	else if (strcmp(what, "getpid") == 0)
		getpid_often(n), per = 1e9 / (double)n;
	else if (strcmp(what, "trapped") == 0)
		getpid_trapped(n), per = 1e9 / (double)n;
	else if (strcmp(what, "compute") == 0)
		compute(n);
	else if (strcmp(what, "memory") == 0)
		memory(n);
	else if (strcmp(what, "file") == 0)
		file(n);
	else if (strcmp(what, "echo") == 0 || strcmp(what, "messages") == 0)
		took = echo(what[0] == 'm', n);
	else
		return fprintf(stderr, "usage: boundary WHAT N|COMMAND...\n"), 2;
	printf("%.9f\n", (took > 0 ? took : now() - began) * per);
	return 0;
}
