/* A client that sets keys of a redis on this host all the time, and tells the longest it had to wait for an answer:
 * runs inside the container, because connections to the outside cannot be carried.
 * usage: redis_client PORT RATE FILE; RATE: keys a second. FILE is 16 bytes, mapped by whoever looks: how many
 * answers there were, and the longest time between two of them in ns, which the onlooker may set to 0. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEYS 200000
#define VALUE 1024

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int connected(const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

/* One SET and its answer, "+OK\r\n". */
static int set(int fd, unsigned n)
{
	char line[VALUE + 128], value[VALUE + 1], answer[5];
	size_t got = 0;

	memset(value, 'a' + (int)(n % 26), VALUE);
	value[VALUE] = 0;
	int len = snprintf(line, sizeof line, "SET load:%u %s\r\n", n * 7919 % KEYS, value);
	if (write(fd, line, (size_t)len) != len)
		return -1;
	while (got < sizeof answer) {
		ssize_t k = read(fd, answer + got, sizeof answer - got);
		if (k <= 0)
			return -1;
		got += (size_t)k;
	}
	return *answer == '+' ? 0 : -1;
}

int main(int argc, char **argv)
{
	int file = argc > 3 ? open(argv[3], O_RDWR) : -1, fd = argc > 3 ? connected(argv[1]) : -1;
	uint64_t *told = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (fd < 0 || told == MAP_FAILED) {
		fprintf(stderr, "usage: redis_client PORT RATE FILE, where a redis answers\n");
		return 2;
	}
	struct timespec between = {.tv_nsec = 1000000000 / atol(argv[2])};
	uint64_t last = now();
	for (unsigned n = 0; set(fd, n) == 0; n++) {
		uint64_t t = now(), gap = t - last;
		last = t;
		if (gap > __atomic_load_n(&told[1], __ATOMIC_RELAXED))
			__atomic_store_n(&told[1], gap, __ATOMIC_RELAXED);
		__atomic_add_fetch(&told[0], 1, __ATOMIC_RELAXED);
		nanosleep(&between, NULL);
	}
	return 1;
}
