/* The ways to get the bytes of a file in the page cache into the anonymous memory of a new process: the
 * fastest is the yardstick of a restore. usage: fill MIB small|huge FILE
 * Prints one line a way that works here, "WAY-THREADS SECONDS". */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)
#define MAX_THREADS 16
#define ALONE ((size_t)1 << 30) /* with more, one thread is only slow */

struct share { /* what one thread fills: every n_threads-th chunk */
	const struct way *way;
	char *to;       /* where, in the process that is filled */
	const char *map; /* the file */
	size_t bytes, first, step;
	int file, uffd;
	pid_t pid;
	int failed;
};

struct way {
	const char *name;
	int outside; /* done by the parent, not by the process that is filled */
	void (*fill)(struct share *s);
};

static void by_preadv(struct share *s)
{
	for (size_t at = s->first * CHUNK; at < s->bytes; at += s->step * CHUNK)
		if (pread(s->file, s->to + at, CHUNK, (off_t)at) != (ssize_t)CHUNK)
			s->failed = 1;
}

static void by_memcpy(struct share *s)
{
	for (size_t at = s->first * CHUNK; at < s->bytes; at += s->step * CHUNK)
		memcpy(s->to + at, s->map + at, CHUNK);
}

static void by_writev(struct share *s)
{
	char *buffer = malloc(CHUNK);

	for (size_t at = s->first * CHUNK; at < s->bytes; at += s->step * CHUNK) {
		struct iovec from = {buffer, CHUNK}, to = {s->to + at, CHUNK};
		if (pread(s->file, buffer, CHUNK, (off_t)at) != (ssize_t)CHUNK ||
		    process_vm_writev(s->pid, &from, 1, &to, 1, 0) != (ssize_t)CHUNK)
			s->failed = 1;
	}
	free(buffer);
}

static void by_uffd(struct share *s)
{
	char *buffer = malloc(CHUNK);

	for (size_t at = s->first * CHUNK; at < s->bytes; at += s->step * CHUNK) {
		struct uffdio_copy copy = {.dst = (uint64_t)s->to + at, .src = (uint64_t)buffer, .len = CHUNK};
		if (pread(s->file, buffer, CHUNK, (off_t)at) != (ssize_t)CHUNK ||
		    ioctl(s->uffd, UFFDIO_COPY, &copy) < 0)
			s->failed = 1;
	}
	free(buffer);
}

static const struct way ways[] = {
	{"preadv", 0, by_preadv},
	{"memcpy", 0, by_memcpy},
	{"writev", 1, by_writev},
	{"uffd", 1, by_uffd},
};

static void *work(void *arg)
{
	struct share *s = arg;

	s->way->fill(s);
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds, or negative when a thread failed. */
static double fill(const struct share *of, size_t n)
{
	struct share s[MAX_THREADS];
	pthread_t t[MAX_THREADS];
	double began = seconds();
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		s[i] = *of;
		s[i].first = i;
		s[i].step = n;
		if (pthread_create(&t[i], NULL, work, &s[i]))
			exit(1);
	}
	for (size_t i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		failed |= s[i].failed;
	}
	return failed ? -1 : seconds() - began;
}

static char *room(size_t bytes, int huge)
{
	size_t align = (size_t)2 << 20;
	char *p = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	p += -(uintptr_t)p & (align - 1);
	madvise(p, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

static int watch(const char *p, size_t bytes)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {(uint64_t)p, bytes}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &reg) == 0)
		return fd;
	return -1;
}

/* The process that is filled tells where, and hands its userfaultfd over; or fills itself and tells how
 * long it took. */
struct message {
	char *to;
	double took;
};

static void child(int sock, struct share *s, size_t n, int huge)
{
	struct message m = {.to = room(s->bytes, huge)};
	int uffd = -1;

	s->to = m.to;
	if (s->way->fill == by_uffd && (uffd = watch(m.to, s->bytes)) < 0)
		_exit(1);
	if (!s->way->outside)
		m.took = fill(s, n);

	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {&m, sizeof m};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (uffd >= 0) {
		memcpy(CMSG_DATA(&c.head), &uffd, sizeof uffd);
		h.msg_control = &c;
		h.msg_controllen = sizeof c;
	}
	sendmsg(sock, &h, 0);
	read(sock, &m, 1); /* until the other end closes */
	_exit(0);
}

static void measure(const struct way *way, size_t n, struct share *s, int huge)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = {};
	struct message m = {};
	struct iovec iov = {&m, sizeof m};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
	int sock[2];

	s->way = way;
	s->uffd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0 || (s->pid = fork()) < 0)
		exit(1);
	if (s->pid == 0) {
		close(sock[0]);
		child(sock[1], s, n, huge);
	}
	close(sock[1]);
	if (recvmsg(sock[0], &h, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof m) {
		if (CMSG_FIRSTHDR(&h))
			memcpy(&s->uffd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof s->uffd);
		s->to = m.to;
		if (way->outside)
			m.took = fill(s, n);
		if (m.took > 0)
			printf("%s-%zu %.6f\n", way->name, n, m.took);
	}
	if (s->uffd >= 0)
		close(s->uffd);
	close(sock[0]);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

int main(int argc, char **argv)
{
	struct share s = {.bytes = (argc == 4 ? strtoul(argv[1], NULL, 10) : 0) << 20};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = cpus < 1 ? 1 : cpus > MAX_THREADS ? MAX_THREADS : (size_t)cpus;

	s.file = s.bytes ? open(argv[3], O_RDONLY | O_CLOEXEC) : -1;
	if (s.file < 0 || lseek(s.file, 0, SEEK_END) < (off_t)s.bytes) {
		fprintf(stderr, "usage: fill MIB small|huge FILE\n");
		return 1;
	}
	s.map = mmap(NULL, s.bytes, PROT_READ, MAP_SHARED, s.file, 0);
	if (s.map == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		measure(&ways[i], most, &s, !strcmp(argv[2], "huge"));
		if (most > 1 && s.bytes <= ALONE)
			measure(&ways[i], 1, &s, !strcmp(argv[2], "huge"));
	}
	return 0;
}
