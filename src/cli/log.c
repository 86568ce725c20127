#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define POLL_MS 100

static const struct cli_option options[] = {
	{'f', "follow", NULL, "go on until the container ends"},
	{0},
};

/* Copies up to the present end. Returns 0 or an exit status. */
static int copy(int fd)
{
	char buf[65536];

	for (;;) {
		ssize_t n = read(fd, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_error("E_SYS", "cannot read the log: %s", strerror(errno));
		if (n == 0)
			return cli_finish(0);
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return cli_finish(0);
	}
}

static int log_main(struct cli *c, int argc, char **argv)
{
	struct pidspace_error err = {0};
	bool follow = false, runs = true;
	const char *name;
	int fd, r, status;

	while (cli_getopt(c, argc, argv) != -1)
		follow = true;
	cli_operands(c, argc, 1, 1);
	name = argv[optind];
	fd = pidspace_log(cli_registry(c), name, &err);
	if (fd < 0)
		return cli_fail(&err);
	while ((status = copy(fd)) == 0 && follow && runs) {
		/* What was written before the end is in the file at the end: one more round then. */
		r = pidspace_wait(cli_registry(c), name, POLL_MS, &status, NULL);
		runs = r == -ETIMEDOUT;
	}
	close(fd);
	return status;
}

const struct cli_command command_log = {
	"log", "NAME", "Print what a detached container has written", options, false, log_main,
};
