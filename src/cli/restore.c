#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "image_file.h"
#include "progress.h"
#include "refusals.h"
#include "stats.h"

enum { IMAGE = CLI_LONG, NAME, RM, FILES, EXTERNAL, PID_FILE, LAZY, STATS };

static const struct cli_option options[] = {
	{IMAGE, "image", "FILE", "where from (- is standard input)"},
	{'d', "detach", NULL, "return once it runs; its output goes to its log"},
	{NAME, "name", "NEW", "call it NEW instead of what it was called"},
	{RM, "rm", NULL, "forget the container when it ends"},
	{FILES, "files", "HOW", "a file changed since: strict (refuse), truncate (to its old\n"
				"                            length) or ignore"},
	{EXTERNAL, "external", "KEY=TO", "connect what came from outside to a PATH or to fd:N (again for\n"
					 "                            more)"},
	{PID_FILE, "pid-file", "FILE", "write the host pid of its pid 1 to FILE"},
	{LAZY, "lazy", NULL, "run at once, memory is read from FILE while it runs (root)"},
	{STATS, "stats", NULL, "how long each phase took, to standard error"},
	{'f', "format", "FORMAT", "of --stats: text or json"},
	{0},
};

static enum pidspace_files parse_files(struct cli *c, const char *text)
{
	static const char *const names[] = {
		[PIDSPACE_FILES_STRICT] = "strict",
		[PIDSPACE_FILES_TRUNCATE] = "truncate",
		[PIDSPACE_FILES_IGNORE] = "ignore",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], text))
			return (enum pidspace_files)i;
	cli_usage(c, "--files '%s' is none of strict, truncate and ignore", text);
}

struct shown {
	struct progress progress;
	bool stats, json;
};

static void on_progress(void *arg, const struct pidspace_progress *now)
{
	progress_show(&((struct shown *)arg)->progress, now);
}

static void on_restored(void *arg, const struct pidspace_stats *stats)
{
	struct shown *s = arg;

	progress_done(&s->progress);
	if (s->stats)
		stats_print(stats, s->json);
}

static const char *parse(struct cli *c, int argc, char **argv, struct pidspace_restore *o,
			 struct cli_strings *external, struct shown *shown)
{
	const char *path = NULL;
	int key;

	while ((key = cli_getopt(c, argc, argv)) != -1) {
		switch (key) {
		case IMAGE: path = optarg; break;
		case 'd': o->detach = true; break;
		case NAME: o->name = optarg; break;
		case RM: o->remove = true; break;
		case FILES: o->files = parse_files(c, optarg); break;
		case EXTERNAL:
			if (!strchr(optarg, '='))
				cli_usage(c, "--external '%s' does not say what to connect it to", optarg);
			cli_strings_add(external, optarg);
			break;
		case LAZY: o->lazy = true; break;
		case PID_FILE: o->pid_file = optarg; break;
		case STATS: shown->stats = true; break;
		case 'f': shown->json = cli_format(c, optarg); break;
		}
	}
	cli_operands(c, argc, 0, 0);
	if (!path)
		cli_usage(c, "--image FILE is missing");
	return path;
}

static int restore(struct cli *c, int argc, char **argv)
{
	struct pidspace_restore o = {0};
	struct cli_strings external = {0};
	struct shown shown = {0};
	struct pidspace_refusal *refusals = NULL;
	struct pidspace_error err = {0};
	size_t n = 0;
	int r, status = 0;
	const char *path = parse(c, argc, argv, &o, &external, &shown);

	cli_registry(c);
	o.image_fd = image_file_open(path);
	if (o.image_fd < 0)
		return CLI_FAILED;
	cli_stdio(o.stdio);
	if (o.image_fd == 0) /* standard input is used up */
		o.stdio[0] = -1;
	o.external = cli_strings_list(&external);
	progress_init(&shown.progress);
	o.progress = on_progress;
	o.progress_arg = &shown;
	o.restored = on_restored;
	o.restored_arg = &shown;
	r = pidspace_restore(c->registry, &o, &refusals, &n, &status, &err);
	progress_done(&shown.progress);
	if (r < 0) {
		status = cli_fail(&err);
		refusals_print(stderr, refusals, n);
	} else {
		status = o.detach ? 0 : cli_exit_status(status);
	}
	free(refusals);
	if (o.image_fd > 2)
		close(o.image_fd);
	return status;
}

const struct cli_command command_restore = {
	"restore", "--image FILE", "Bring a container back from an image", options, false, restore,
};
