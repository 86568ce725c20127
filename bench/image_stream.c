/* How fast the stream is, beside what the kernel alone can do in the same run: plain write(2) of as much
 * to a new file in the same directory, and pread(2) of it into a hot buffer.
 * usage: image_stream [MIB [DIRECTORY [ROUNDS]]]; DIRECTORY should be a tmpfs. Best of ROUNDS, GB/s. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"

struct bench {
	size_t bytes;
	const char *dir;
	unsigned rounds;
	const uint8_t *memory; /* what is saved: bytes of it */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const struct pidspace_error *err)
{
	fprintf(stderr, "image_stream: %s: %s\n", what, err ? err->message : "failed");
	exit(1);
}

static int new_file(const struct bench *b)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/image_stream.XXXXXX", b->dir);
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || unlink(path) < 0)
		die(path, NULL);
	return fd;
}

/* Noise, or something like text: words of a small vocabulary, some pages empty. */
static uint8_t *make_memory(size_t bytes, bool text)
{
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t x = 0x9e3779b97f4a7c15u, words[512];

	if (p == MAP_FAILED)
		die("memory", NULL);
	for (size_t i = 0; i < 512; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		words[i] = (x & 0x0f0f0f0f0f0f0f0fu) | 0x6060606060606060u;
	}
	for (size_t i = 0; i < bytes; i += 8) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		uint64_t v = text ? words[x >> 40 & (x & 7 ? 31 : 511)] : x;
		if (!text || i >> 12 & 7)
			memcpy(p + i, &v, 8);
	}
	return p;
}

static double plain_write(const struct bench *b, size_t block, bool keep, int *ret_fd)
{
	int fd = new_file(b);
	double t = now();

	for (size_t at = 0; at < b->bytes; at += block)
		if (write(fd, b->memory + at, block) != (ssize_t)block)
			die("write", NULL);
	t = now() - t;
	if (keep)
		*ret_fd = fd;
	else
		close(fd);
	return t;
}

static double plain_read(int fd, size_t bytes)
{
	static uint8_t buffer[1 << 20];
	double t = now();

	for (size_t at = 0; at < bytes; at += sizeof buffer)
		if (pread(fd, buffer, sizeof buffer, (off_t)at) != sizeof buffer)
			die("pread", NULL);
	return now() - t;
}

static double stream_write(const struct bench *b, int fd, enum image_compress c)
{
	struct pidspace_error err = {0};
	struct image_writer *w;
	double t = now();

	if (image_writer_new(&w, fd, c, &err) < 0)
		die("write", &err);
	for (size_t at = 0; at < b->bytes; at += IMAGE_BLOCK) {
		struct image_run run = {0x10000000 + at, IMAGE_BLOCK};
		void *p = image_page_buffer(w);
		memcpy(p, b->memory + at, IMAGE_BLOCK); /* stands for process_vm_readv(2) */
		if (image_write_pages(w, 1, 0, p, &run, 1, &err) < 0)
			die("write", &err);
	}
	if (image_commit(w, &err) < 0)
		die("commit", &err);
	t = now() - t;
	image_writer_free(w);
	return t;
}

static double stream_read(int fd)
{
	struct pidspace_error err = {0};
	struct image_reader *r;
	struct image_frame f;
	double t = now();
	int status;

	lseek(fd, 0, SEEK_SET);
	if (image_reader_new(&r, fd, &err) < 0)
		die("read", &err);
	while ((status = image_next(r, &f, &err)) > 0)
		;
	if (status < 0)
		die("read", &err);
	t = now() - t;
	image_reader_free(r);
	return t;
}

struct pipe_end {
	const struct bench *b;
	int fd;
	bool plain;
};

static void *write_pipe(void *arg)
{
	struct pipe_end *e = arg;

	if (!e->plain)
		stream_write(e->b, e->fd, IMAGE_NONE);
	for (size_t at = 0; e->plain && at < e->b->bytes; at += 1 << 20)
		if (write(e->fd, e->b->memory + at, 1 << 20) != 1 << 20)
			die("write", NULL);
	close(e->fd);
	return NULL;
}

/* From one thread to another: how `checkpoint --image - | restore --image -` and ssh see it. */
static double through_pipe(const struct bench *b, bool plain)
{
	static uint8_t buffer[1 << 20];
	pthread_t t;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		die("pipe", NULL);
	struct pipe_end e = {b, p[1], plain};
	double start = now();
	if (pthread_create(&t, NULL, write_pipe, &e))
		die("thread", NULL);
	if (plain)
		while (read(p[0], buffer, sizeof buffer) > 0)
			;
	else
		stream_read(p[0]);
	pthread_join(t, NULL);
	close(p[0]);
	return now() - start;
}

/* Five hundred little processes with nine pages each, not read back. */
static double many_small(const struct bench *b, enum image_compress c)
{
	struct image_writer *w;
	int fd = new_file(b);
	double t = now();

	if (image_writer_new(&w, fd, c, NULL) < 0)
		die("write", NULL);
	for (uint32_t i = 0; i < 500; i++) {
		struct image_run run = {0x10000000, 9 * 4096};
		image_write(w, FRAME_PROCESS, b->memory, 3000, NULL);
		void *p = image_page_buffer(w);
		memcpy(p, b->memory + i % 100 * run.bytes % b->bytes, run.bytes);
		image_write_pages(w, i, 0, p, &run, 1, NULL);
	}
	if (image_commit(w, NULL) < 0)
		die("commit", NULL);
	t = now() - t;
	image_writer_free(w);
	close(fd);
	return t;
}

static void best(double *least, double t)
{
	if (!*least || t < *least)
		*least = t;
}

static void measure(struct bench *b, const char *what)
{
	static const char *const name[] = {"none", "lz4", "zstd"};
	double w[3] = {0}, r[3] = {0}, small[3] = {0}, pipes[2] = {0}, pw = 0, pr = 0,
	       gb = (double)b->bytes / 1e9;
	off_t size[3];
	int fd = -1;

	for (unsigned i = 0; i < b->rounds; i++) { /* alternating: other work disturbs all alike */
		best(&pw, plain_write(b, 1 << 20, true, &fd));
		best(&pr, plain_read(fd, b->bytes));
		close(fd);
		for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++) {
			fd = new_file(b);
			best(&w[c], stream_write(b, fd, c));
			size[c] = lseek(fd, 0, SEEK_END);
			best(&r[c], stream_read(fd));
			close(fd);
			best(&small[c], many_small(b, c));
		}
		best(&pipes[0], through_pipe(b, true));
		best(&pipes[1], through_pipe(b, false));
	}
	printf("%-6s %-10s %6.2f %6.2f\n", what, "plain", gb / pw, gb / pr);
	for (enum image_compress c = IMAGE_NONE; c <= IMAGE_ZSTD; c++)
		printf("%-6s %-10s %6.2f %6.2f  write is %.2f of plain, read %.2f; size %.3f\n",
		       what, name[c], gb / w[c], gb / r[c], pw / w[c], pr / r[c],
		       (double)size[c] / (double)b->bytes);
	printf("%-6s through a pipe: plain %.2f, none %.2f\n", what, gb / pipes[0], gb / pipes[1]);
	printf("%-6s 500 processes of 9 pages: none %.1f ms, lz4 %.1f ms, zstd %.1f ms\n", what,
	       small[0] * 1e3, small[1] * 1e3, small[2] * 1e3);
}

int main(int argc, char **argv)
{
	struct bench b = {.bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 512) << 20,
			  .dir = argc > 2 ? argv[2] : "/dev/shm",
			  .rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 3};

	b.bytes -= b.bytes % IMAGE_BLOCK;
	if (!b.bytes || !b.rounds) {
		fprintf(stderr, "usage: image_stream [MIB [DIRECTORY [ROUNDS]]]\n");
		return 1;
	}
	printf("data   way         write   read  (GB/s)\n");
	for (int text = 0; text < 2; text++) {
		uint8_t *p = make_memory(b.bytes, text);
		b.memory = p;
		measure(&b, text ? "text" : "noise");
		munmap(p, b.bytes);
	}
	return 0;
}
