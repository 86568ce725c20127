#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "image_file.h"

static const struct cli_option options[] = {{0}};

static int verify(struct cli *c, int argc, char **argv)
{
	struct pidspace_image *image = NULL;
	struct pidspace_error err = {0};
	int fd;

	cli_getopt(c, argc, argv);
	cli_operands(c, argc, 1, 1);
	fd = image_file_open(argv[optind]);
	if (fd < 0)
		return CLI_FAILED;
	if (pidspace_image_open(&image, fd, true, &err) < 0) {
		cli_fail(&err);
		return 1;
	}
	pidspace_image_close(image);
	printf("%s: whole\n", argv[optind]);
	return 0;
}

const struct cli_command command_verify = {
	"verify", "IMAGE", "Read an image and check every frame", options, false, verify,
};
