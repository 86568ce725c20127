/* Three processes with four threads each, all in calls that wait. Each counts how often its call came back
 * as it was asked to, in a file that the runner reads; any other answer, EINTR above all, is noted there.
 * With MIB each process has so much memory of its own, of which its threads look at a page between two calls.
 * usage: counters FILE [MIB]
 *
 *	init ── 3 × (nanosleep, poll, epoll_wait, futex or a read, in 4 threads)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 3
#define THREADS 4
#define PAGE_WORDS 512
#define WAIT_NS 10000000 /* so that all of them take next to no processor time */

/* run reads this layout. */
struct counter {
	uint64_t count;
	int64_t wrong; /* what the call answered, or -errno, when it was not what it should be */
	int64_t call;
	int64_t early_ns;
	uint64_t interrupted; /* epoll_wait alone, which signal(7) lets answer EINTR after any stop */
};

struct job {
	struct counter *c;
	int kind;
	int fd;
	uint32_t word;
};

static uint64_t *ballast;
static size_t ballast_words;

static uint64_t should_be(size_t i)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool take_ballast(size_t bytes)
{
	ballast_words = bytes / sizeof *ballast;
	if (ballast_words)
		ballast = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < ballast_words && ballast != MAP_FAILED; i++)
		ballast[i] = should_be(i);
	return ballast != MAP_FAILED;
}

/* Another page each time, all over it. */
static bool ballast_is_right(uint64_t turn)
{
	if (!ballast_words)
		return true;
	size_t from = turn * 40503 % (ballast_words / PAGE_WORDS) * PAGE_WORDS;
	for (size_t i = from; i < from + PAGE_WORDS; i++)
		if (ballast[i] != should_be(i))
			return false;
	return true;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void open_for(struct job *j)
{
	struct itimerspec every = {{0, WAIT_NS}, {0, WAIT_NS}};
	int pipe_fd[2];

	if (j->kind == 1 && pipe(pipe_fd) == 0)
		j->fd = pipe_fd[0];
	if (j->kind == 2)
		j->fd = epoll_create1(0);
	if (j->kind == 4) {
		j->fd = timerfd_create(CLOCK_MONOTONIC, 0);
		timerfd_settime(j->fd, 0, &every, NULL);
	}
}

/* true: as it should be; else *wrong is what came. */
static bool wait_once(struct job *j, bool *ret_interrupted, int64_t *wrong)
{
	struct timespec t = {0, WAIT_NS};
	struct pollfd p = {.fd = j->fd, .events = POLLIN};
	struct epoll_event e;
	uint64_t expired;
	long r, should = 0;

	switch (j->kind) {
	case 0:
		r = nanosleep(&t, NULL);
		break;
	case 1:
		r = poll(&p, 1, WAIT_NS / 1000000);
		break;
	case 2:
		r = epoll_wait(j->fd, &e, 1, WAIT_NS / 1000000);
		*ret_interrupted = r < 0 && errno == EINTR;
		if (*ret_interrupted)
			return true;
		break;
	case 3:
		r = syscall(SYS_futex, &j->word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0);
		if (r == -1 && errno == ETIMEDOUT)
			return true;
		should = 1; /* there is nobody who wakes it */
		break;
	default:
		r = read(j->fd, &expired, sizeof expired);
		should = sizeof expired;
	}
	*wrong = r < 0 ? -errno : r;
	return r == should;
}

static void *count(void *arg)
{
	struct job *j = arg;
	int64_t wrong;

	open_for(j);
	j->c->call = j->kind;
	for (;;) {
		int64_t began = now();
		bool interrupted = false;

		bool right = wait_once(j, &interrupted, &wrong);
		if (right && !ballast_is_right(j->c->count)) {
			right = false;
			wrong = -EFAULT;
		}
		if (!right) {
			j->c->wrong = wrong ? wrong : -1;
			for (;;)
				pause();
		}
		j->c->interrupted += interrupted;
		int64_t early = began + WAIT_NS - now();
		if (j->kind != 4 && !interrupted && early > j->c->early_ns)
			j->c->early_ns = early;
		__atomic_add_fetch(&j->c->count, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void process(struct counter *c, int n, size_t bytes)
{
	static struct job job[THREADS];
	pthread_t t;

	if (!take_ballast(bytes))
		exit(2);
	for (int i = 0; i < THREADS; i++) {
		job[i] = (struct job){.c = c + i, .kind = (n * THREADS + i) % 5, .fd = -1};
		if (i && pthread_create(&t, NULL, count, &job[i]) != 0)
			exit(2);
	}
	count(&job[0]);
	exit(3);
}

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? strtoul(argv[2], NULL, 10) << 20 : 0;
	int fd = argc >= 2 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644) : -1;
	size_t size = PROCESSES * THREADS * sizeof(struct counter);
	struct counter *c;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return 1;
	c = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED)
		return 1;
	for (int n = 0; n < PROCESSES; n++)
		if (fork() == 0)
			process(c + (size_t)n * THREADS, n, bytes);
	for (;;)
		if (wait(NULL) > 0)
			return 4; /* none of them ever ends */
}
