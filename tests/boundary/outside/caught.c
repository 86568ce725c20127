/* usage: caught MEMFD. Prints, of the memory that a container with virtual pids shares, whether Landlock keeps signals inside (1, 0),
 * and how often it had to. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "virtual/layout.h"

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	struct shim_common c;

	if (fd < 0 || pread(fd, &c, sizeof c, SHIM_COMMON_AT) != sizeof c) {
		perror("caught");
		return 1;
	}
	printf("%u %u\n", c.scoped, c.caught);
	return 0;
}
